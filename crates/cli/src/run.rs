//! What each command does: one call of the engine, and how its outcome is shown.
//!
//! Never here: what the words look like (`show`), what the options are (`table`).

use ropewalk_engine::{Code, Engine, Fault, Finding, Paths, Session, Wanted};

use crate::answer::{Answer, FOUND};
use crate::refusal::senseless;
use crate::table::{
    Announce, Attach, Cli, Create, Detach, File, Guard, NetworkVerb, Opened, PlanFile, Ports, Ps,
    Purge, Routes, Verb,
};
use crate::{
    agent, capture, cluster, demo, explain, fix, install, lab, pages, show, topics, trial, why,
};

/// Does what was asked for.
pub(crate) fn run(cli: &Cli) -> Result<Answer, Fault> {
    let json = cli.json;
    match &cli.verb {
        Verb::Network(verb) => network(verb, json),
        Verb::Confirm(args) => {
            Answer::of(json, &open()?.confirm_network(&args.name)?, show::confirmed)
        }
        Verb::Guard(args) => guarded(args),
        Verb::Attach(args) => attach(args, json),
        Verb::Detach(args) => detach(args, json),
        Verb::Publish(args) => publish(args, json),
        Verb::Unpublish(args) => unpublish(args, json),
        Verb::Announce(args) => announce(args, json),
        Verb::Up(args) => up(args, json),
        Verb::Down(args) => down(args, json),
        Verb::Plan(args) => plan(args, json),
        Verb::Ps(args) => ps(args, json),
        Verb::Check => check(json),
        Verb::Repair => repair(json),
        Verb::Gc => Answer::of(json, &open()?.gc()?, |done| show::done(done)),
        Verb::Purge(args) => purge(args, json),
        Verb::Routes(args) => routes(args, json),
        Verb::Agent(args) => agent::run(args, json),
        Verb::Sync => agent::sync(json),
        Verb::Join(args) => cluster::join(args, json),
        Verb::Leave => cluster::leave(json),
        Verb::Cluster(verb) => cluster::cluster(verb, json),
        Verb::Host(verb) => cluster::host(verb, json),
        Verb::Install(args) => install::install(args, json),
        Verb::Uninstall(args) => install::uninstall(args, json),
        Verb::Why(args) => why::why(args, json),
        Verb::Explain(args) => explain::explain(args, json),
        Verb::Fix(args) => fix::fix(args, json),
        Verb::Undo(args) => fix::undo(args, json),
        Verb::Capture(args) => capture::capture(args, json),
        Verb::Snapshot(args) => why::snapshot(args),
        Verb::Lab(verb) => lab::run(verb, json),
        Verb::Demo(args) => demo::run(args, json),
        Verb::Completions(args) => pages::completions(args.shell, json),
        Verb::Man(args) => pages::man(args, json),
        Verb::Help(args) => topics::help(&args.topic, json),
    }
}

pub(crate) fn open() -> Result<Engine, Fault> {
    Engine::open(&Paths::from_env())
}

fn network(verb: &NetworkVerb, json: bool) -> Result<Answer, Fault> {
    match verb {
        NetworkVerb::Create(args) => create(args, json),
        NetworkVerb::Ls => Answer::of(json, &open()?.networks()?, |all| show::networks(all)),
        NetworkVerb::Inspect(args) => {
            Answer::of(json, &open()?.network(&args.name)?, show::network)
        }
        NetworkVerb::Rm(args) => {
            Answer::of(json, &open()?.remove_network(&args.name)?, show::removed)
        }
    }
}

fn create(args: &Create, json: bool) -> Result<Answer, Fault> {
    let raw = args.raw();
    let doing = || format!("network create {}", raw.name);
    let network = raw.check().map_err(|error| senseless("network create", doing(), &error))?;
    let mut engine = open()?;
    if args.trial.asked() {
        let dry = engine.plan(&Wanted::CreateNetwork(&network))?;
        return show::trial(&dry, args.trial.sh, json);
    }
    let mut made = engine.create_network_on_trial(&network, args.confirm_within)?;
    if !json {
        made = trial::ask(&mut engine, &network.name, made)?;
    }
    Answer::of(json, &made, show::created)
}

/// Is a guard, until what it guards is over.
fn guarded(args: &Guard) -> Result<Answer, Fault> {
    ropewalk_engine::guard(&Paths::from_env(), &args.network, args.begun)?;
    Ok(Answer { text: String::new(), status: 0 })
}

fn attach(args: &Attach, json: bool) -> Result<Answer, Fault> {
    let raw = args.raw();
    let doing = || format!("attach {} to {}", raw.sandbox, raw.network);
    let endpoint = raw.check().map_err(|error| senseless("attach", doing(), &error))?;
    if !args.trial.asked() && !endpoint.ips.is_empty() {
        cluster::ask_for(&endpoint).map_err(|fault| fault.doing(doing()))?;
    }
    let mut engine = open()?;
    if args.trial.asked() {
        let dry = engine.plan(&Wanted::Attach(&endpoint))?;
        return show::trial(&dry, args.trial.sh, json);
    }
    let attached = engine.attach(&endpoint);
    let attached = attached.map_err(|fault| cluster::unmade(fault, &endpoint.network))?;
    Answer::of(json, &attached, show::attached)
}

fn detach(args: &Detach, json: bool) -> Result<Answer, Fault> {
    let rows = open()?.detach(&args.sandbox, args.network.as_ref())?;
    Answer::of(json, &rows, |rows| show::detached(rows))
}

fn publish(args: &Opened, json: bool) -> Result<Answer, Fault> {
    let Ports { sandbox, ports } = &args.what;
    let mut engine = open()?;
    let mut ports = ports.clone();
    if args.everywhere {
        ports = cluster::everywhere(&mut engine, sandbox, &ports)?;
    }
    let ports = &ports;
    if args.trial.asked() {
        let dry = engine.plan(&Wanted::Publish(sandbox, ports))?;
        return show::trial(&dry, args.trial.sh, json);
    }
    Answer::of(json, &engine.publish(sandbox, ports)?, |row| show::published(row, ports))
}

fn unpublish(args: &Ports, json: bool) -> Result<Answer, Fault> {
    let row = open()?.unpublish(&args.sandbox, &args.ports)?;
    Answer::of(json, &row, |row| show::unpublished(row, &args.ports))
}

/// The routes to a network, or a configuration that tells of them by BGP.
fn routes(args: &Routes, json: bool) -> Result<Answer, Fault> {
    let mut engine = open()?;
    if !args.frr && !args.bird {
        return Answer::of(json, &engine.routes(&args.network)?, |hints| show::routes(hints));
    }
    let v4 = args.router.iter().filter(|ip| ip.is_ipv4()).count();
    if v4 > 1 || args.router.len() - v4 > 1 {
        let fault = Fault::new(Code::BadInput, "--router: one address of each family");
        return Err(fault.or_try("ropewalk help routes"));
    }
    let theirs = args.router_as.unwrap_or(args.own_as);
    let session = Session { routers: args.router.clone(), own: args.own_as, theirs };
    let told = engine.told_by_bgp(&args.network)?;
    let text = if args.frr { told.frr(&session) } else { told.bird(&session) };
    Answer::of(json, &text, String::clone)
}

fn announce(args: &Announce, json: bool) -> Result<Answer, Fault> {
    let told = open()?.announce(args.sandbox.as_ref(), args.network.as_ref())?;
    Answer::of(json, &told, |told| show::announced(told))
}

fn up(args: &File, json: bool) -> Result<Answer, Fault> {
    let mut engine = open()?;
    let declaration = engine.read(&args.file)?;
    Answer::of(json, &engine.up(&args.file, &declaration)?, |done| show::done(done))
}

fn down(args: &File, json: bool) -> Result<Answer, Fault> {
    let mut engine = open()?;
    let declaration = engine.read(&args.file)?;
    Answer::of(json, &engine.down(&declaration)?, |done| show::done(done))
}

fn plan(args: &PlanFile, json: bool) -> Result<Answer, Fault> {
    let mut engine = open()?;
    let declaration = engine.read(&args.file)?;
    show::trial(&engine.plan(&Wanted::Up(&declaration))?, args.sh, json)
}

fn ps(args: &Ps, json: bool) -> Result<Answer, Fault> {
    let mut engine = open()?;
    if args.all {
        return Answer::of(json, &engine.ps_all()?, |rows| show::interfaces(rows));
    }
    Answer::of(json, &engine.ps()?, |rows| show::attachments(rows))
}

fn check(json: bool) -> Result<Answer, Fault> {
    let findings = open()?.check()?;
    let answer = Answer::of(json, &findings, |findings| show::checked(findings))?;
    Ok(if findings.is_empty() { answer } else { answer.status(FOUND) })
}

/// What could not be put right is still there to be found.
fn repair(json: bool) -> Result<Answer, Fault> {
    let findings = open()?.repair()?;
    let answer = Answer::of(json, &findings, |findings| show::repaired(findings))?;
    let all = findings.iter().all(|finding: &Finding| finding.repaired);
    Ok(if all { answer } else { answer.status(FOUND) })
}

fn purge(args: &Purge, json: bool) -> Result<Answer, Fault> {
    let mut engine = open()?;
    if args.yes {
        return cluster::purge(engine, json);
    }
    let what = show::at_stake(&engine.networks()?, &engine.ps()?);
    let fault = Fault::new(Code::BadInput, what).doing("purge");
    Err(fault.or_try("ropewalk purge --yes"))
}
