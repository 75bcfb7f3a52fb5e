//! `cargo xtask bench cni [--runs N] [--present N,N…] [--debian-present N] [--json]`: what ADD and DEL of
//! the plugins cost, beside Debian's and beside the floor of `bench attach`.
//!
//!     bridge        bridge + host-local                a chain is as many processes as it has plugins
//!     chain         bridge with ipMasq, portmap, firewall
//!     ropewalk      the same as a chain, in one process: ropewalk's own type
//!     ptp, macvlan  an address of each family: how long an ADD takes by the clock
//!
//! Each side has a private network of its own, in which as many containers are present as asked for.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ropewalk_testnet::Private;
use serde::Serialize;

use super::process::{Cost, timed};
use super::stage::Stage;
use super::trace::{self, Calls};
use super::{build, figures};
use crate::Fault;

const USAGE: &str =
    "usage: cargo xtask bench cni [--runs N] [--present N,N…] [--debian-present N] [--json]";
/// Where Debian's package puts its plugins.
const DEBIANS: &str = "/usr/lib/cni";
/// On a tmpfs of the private network.
const DIR: &str = "/run/ropewalk/bench";
/// What macvlans stand on.
const MASTER: &str = "bench-lan";
/// Debian's wait for two seconds where an address is of IPv6: so many runs at most.
const DUAL_RUNS: u16 = 5;

/// Measures, and prints the figures.
///
/// # Errors
/// When something could not be built or run.
pub(crate) fn run(words: &[&str]) -> Result<(), Fault> {
    let wish = Wish::read(words)?;
    let programs = build()?;
    let floor = apart(|| floor(&programs, wish.runs))?;
    let mut rows = Vec::new();
    for scenario in [Scenario::Bridge, Scenario::Chain] {
        for present in &wish.present {
            let ours = apart(|| side(&programs, true, scenario, *present, wish.runs))?;
            let few = (*present).min(wish.debian_present);
            let theirs = apart(|| side(&programs, false, scenario, few, wish.runs))?;
            let mut beside = |scenario, ours: &Side| {
                let present = [*present, few];
                rows.push(Row::of("ADD", scenario, present, [&floor[0], &ours.add, &theirs.add]));
                rows.push(Row::of("DEL", scenario, present, [&floor[1], &ours.del, &theirs.del]));
            };
            beside(scenario, &ours);
            if scenario == Scenario::Chain {
                let own = apart(|| side(&programs, true, Scenario::Own, *present, wish.runs))?;
                beside(Scenario::Own, &own);
            }
            if let (Some(ours), Some(theirs)) = (ours.calls, theirs.calls) {
                eprintln!(
                    "{} ADD with {present} present: {} processes and {} system calls, Debian's {} and {}",
                    scenario.name(),
                    ours.0,
                    ours.1,
                    theirs.0,
                    theirs.1
                );
            }
        }
    }
    let mut dual = Vec::new();
    for scenario in [Scenario::Ptp, Scenario::Macvlan] {
        let wall = |ours| -> Result<u64, Fault> {
            let side = apart(|| side(&programs, ours, scenario, 0, wish.runs.min(DUAL_RUNS)))?;
            Ok(figures::median(&side.add, |cost| cost.wall))
        };
        let (ropewalk, debian) = (wall(true)?, wall(false)?);
        dual.push(Dual { plugin: scenario.name(), ropewalk, debian });
    }
    let start = start(&programs, wish.runs)?;
    if wish.json {
        let all = serde_json::json!({ "rows": rows, "dual_stack": dual, "start": start });
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    println!("\nmedians of {} runs, µs\n{}", wish.runs, table(&rows));
    for Dual { plugin, ropewalk, debian } in dual {
        println!(
            "{plugin} ADD with an address of each family: {ropewalk} µs, Debian's {debian} µs"
        );
    }
    println!("start to exit (VERSION): {} µs of CPU, {} µs by the clock", start.cpu, start.wall);
    Ok(())
}

/// A process that says its version, and no more.
fn start(programs: &Path, runs: u16) -> Result<Pair, Fault> {
    let mut all = Vec::new();
    for _ in 0..runs {
        let mut command = Command::new(programs.join("ropewalk"));
        command.env_clear().env("CNI_COMMAND", "VERSION");
        all.push(timed(command.stdin(Stdio::null()).stdout(Stdio::null()))?);
    }
    Ok(Pair::of(&all))
}

/// What is asked for on the command line.
struct Wish {
    runs: u16,
    present: Vec<usize>,
    /// Debian's take a second each when there are a thousand: so many are present at most.
    debian_present: usize,
    json: bool,
}

impl Wish {
    fn read(words: &[&str]) -> Result<Self, Fault> {
        let mut wish =
            Self { runs: 20, present: vec![0, 100, 1000], debian_present: 1000, json: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(USAGE);
            match *word {
                "--runs" => wish.runs = value()?.parse()?,
                "--present" => {
                    wish.present = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?;
                }
                "--debian-present" => wish.debian_present = value()?.parse()?,
                "--json" => wish.json = true,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(wish)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    Bridge,
    Chain,
    Own,
    Ptp,
    Macvlan,
}

impl Scenario {
    fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Chain => "chain",
            Self::Own => "ropewalk",
            Self::Ptp => "ptp",
            Self::Macvlan => "macvlan",
        }
    }

    fn plugins(self) -> &'static [&'static str] {
        match self {
            Self::Bridge => &["bridge"],
            Self::Chain => &["bridge", "portmap", "firewall"],
            Self::Own => &["ropewalk"],
            Self::Ptp => &["ptp"],
            Self::Macvlan => &["macvlan"],
        }
    }

    /// Where its addresses come from.
    fn ranges(self) -> &'static str {
        match self {
            Self::Bridge | Self::Chain | Self::Own => r#""subnet": "10.66.0.0/16""#,
            Self::Ptp | Self::Macvlan => {
                r#""ranges": [[{"subnet": "10.66.0.0/16"}], [{"subnet": "fd00:66::/64"}]]"#
            }
        }
    }
}

/// Runs `work` in a thread of its own, as each enters a network of its own.
fn apart<T: Send>(work: impl FnOnce() -> Result<T, Fault> + Send) -> Result<T, Fault> {
    let told = |fault: Fault| fault.to_string();
    let ended = std::thread::scope(|scope| scope.spawn(|| work().map_err(told)).join());
    Ok(ended.map_err(|_| "a measurement ended early")??)
}

/// Attach and detach of the floor.
fn floor(programs: &Path, runs: u16) -> Result<[Vec<Cost>; 2], Fault> {
    let [attach, detach] = Stage::enter(programs)?.measure(runs, 0)?;
    Ok([attach.floor, detach.floor])
}

/// What one side cost.
struct Side {
    add: Vec<Cost>,
    del: Vec<Cost>,
    /// Processes and system calls of ADD, where there is strace.
    calls: Option<(usize, usize)>,
}

fn side(
    programs: &Path,
    ours: bool,
    scenario: Scenario,
    present: usize,
    runs: u16,
) -> Result<Side, Fault> {
    let net = Private::enter();
    let plugins = match ours {
        true => install(&net, programs),
        false => PathBuf::from(DEBIANS),
    };
    if scenario == Scenario::Macvlan {
        net.sh(&format!("ip link add {MASTER} type ifb; ip link set {MASTER} up"));
    }
    let node = Node { net, plugins, scenario };
    fs::create_dir_all(DIR)?;
    for n in 1..=present {
        node.add(&format!("b{n}"), 20_000 + n)?;
    }
    let mut side = Side { add: Vec::new(), del: Vec::new(), calls: None };
    for n in 0..runs + 3 {
        let name = format!("r{n}");
        let add = node.add(&name, 8080)?;
        let del = node.del(&name, 8080)?;
        if n >= 3 {
            side.add.push(add);
            side.del.push(del);
        }
    }
    side.calls = node.calls("traced")?;
    Ok(side)
}

/// Links to the program, on the private network's tmpfs.
fn install(net: &Private, programs: &Path) -> PathBuf {
    let dir = format!("{DIR}/plugins");
    let program = programs.join("ropewalk");
    net.sh(&format!("mkdir -p {dir}; cp {} {dir}/ropewalk", program.display()));
    for name in ["bridge", "portmap", "firewall", "ptp", "macvlan", "host-local"] {
        net.sh(&format!("ln -s ropewalk {dir}/{name}"));
    }
    PathBuf::from(dir)
}

/// A host with plugins.
struct Node {
    net: Private,
    plugins: PathBuf,
    scenario: Scenario,
}

impl Node {
    fn add(&self, container: &str, port: usize) -> Result<Cost, Fault> {
        self.net.sh(&format!("ip netns add {container}; ip -n {container} link set lo up"));
        let mut sum = Cost { cpu: 0, wall: 0 };
        let _gone = fs::remove_file(format!("{DIR}/result"));
        for plugin in self.scenario.plugins() {
            let cost = timed(&mut self.command(plugin, "ADD", container, port, "result.new")?)?;
            (sum.cpu, sum.wall) = (sum.cpu + cost.cpu, sum.wall + cost.wall);
            fs::rename(format!("{DIR}/result.new"), format!("{DIR}/result"))?;
        }
        fs::copy(format!("{DIR}/result"), format!("{DIR}/{container}.result"))?;
        Ok(sum)
    }

    fn del(&self, container: &str, port: usize) -> Result<Cost, Fault> {
        let mut sum = Cost { cpu: 0, wall: 0 };
        fs::rename(format!("{DIR}/{container}.result"), format!("{DIR}/result"))?;
        for plugin in self.scenario.plugins().iter().rev() {
            let cost = timed(&mut self.command(plugin, "DEL", container, port, "nothing")?)?;
            (sum.cpu, sum.wall) = (sum.cpu + cost.cpu, sum.wall + cost.wall);
        }
        Ok(sum)
    }

    /// Processes and system calls of one ADD.
    fn calls(&self, container: &str) -> Result<Option<(usize, usize)>, Fault> {
        self.net.sh(&format!("ip netns add {container}; ip -n {container} link set lo up"));
        let _gone = fs::remove_file(format!("{DIR}/result"));
        let (mut processes, mut total) = (0, 0);
        for plugin in self.scenario.plugins() {
            let command = self.command(plugin, "ADD", container, 8080, "result.new")?;
            let input = File::open(format!("{DIR}/conf"))?;
            let output = File::create(format!("{DIR}/result.new"))?;
            let Some(Calls { total: calls, children }) = trace::count_fed(&command, input, output)?
            else {
                return Ok(None);
            };
            fs::rename(format!("{DIR}/result.new"), format!("{DIR}/result"))?;
            processes += 1 + children;
            total += calls;
        }
        Ok(Some((processes, total)))
    }

    /// A plugin's process, with its configuration on standard input.
    fn command(
        &self,
        plugin: &str,
        verb: &str,
        container: &str,
        port: usize,
        out: &str,
    ) -> Result<Command, Fault> {
        let before = fs::read_to_string(format!("{DIR}/result")).ok();
        let before = before.map_or(String::new(), |text| format!(r#", "prevResult": {text}"#));
        let masq = self.scenario == Scenario::Chain;
        let ranges = self.scenario.ranges();
        let conf = format!(
            r#"{{"cniVersion": "1.0.0", "name": "bench", "type": "{plugin}", "bridge": "cni0",
                "network": {{"subnet": "10.66.0.0/16"}}, "isGateway": true, "ipMasq": {masq}, "master": "{MASTER}", "mode": "bridge",
                "ipam": {{"type": "host-local", "dataDir": "{DIR}/leases", {ranges},
                "routes": [{{"dst": "0.0.0.0/0"}}]}}, "runtimeConfig": {{"portMappings":
                [{{"hostPort": {port}, "containerPort": 80, "protocol": "tcp"}}]}}{before}}}"#
        );
        fs::write(format!("{DIR}/conf"), conf)?;
        let mut command = Command::new(self.plugins.join(plugin));
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("CNI_COMMAND", verb);
        command.env("CNI_CONTAINERID", container).env("CNI_IFNAME", "eth0");
        command.env("CNI_NETNS", format!("/run/netns/{container}")).env("CNI_PATH", &self.plugins);
        command.stdin(Stdio::from(File::open(format!("{DIR}/conf"))?));
        command.stdout(Stdio::from(File::create(format!("{DIR}/{out}"))?));
        Ok(command)
    }
}

/// Medians in microseconds.
#[derive(Debug, Serialize)]
struct Row {
    verb: &'static str,
    scenario: &'static str,
    present: usize,
    debian_present: usize,
    floor: Pair,
    ropewalk: Pair,
    debian: Pair,
}

#[derive(Debug, Serialize)]
struct Pair {
    cpu: u64,
    wall: u64,
}

impl Pair {
    fn of(costs: &[Cost]) -> Self {
        Self {
            cpu: figures::median(costs, |cost| cost.cpu),
            wall: figures::median(costs, |cost| cost.wall),
        }
    }
}

/// Wall time of an ADD with an address of each family.
#[derive(Debug, Serialize)]
struct Dual {
    plugin: &'static str,
    ropewalk: u64,
    debian: u64,
}

impl Row {
    fn of(
        verb: &'static str,
        scenario: Scenario,
        [present, debian_present]: [usize; 2],
        costs: [&Vec<Cost>; 3],
    ) -> Self {
        let [floor, ropewalk, debian] = costs.map(|costs| Pair::of(costs));
        let scenario = scenario.name();
        Self { verb, scenario, present, debian_present, floor, ropewalk, debian }
    }
}

fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| | present | | floor | ropewalk | × floor | Debian's | ropewalk is less by |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let pick = |pair: &Pair, cpu: bool| if cpu { pair.cpu } else { pair.wall };
        for (what, cpu) in [("CPU", true), ("wall", false)] {
            let [floor, ours, theirs] =
                [&row.floor, &row.ropewalk, &row.debian].map(|pair| pick(pair, cpu));
            let at = match row.present == row.debian_present {
                true => String::new(),
                false => format!(" (at {})", row.debian_present),
            };
            out.push_str(&format!(
                "| {} {} | {} | {what} | {floor} | {ours} | {} | {theirs}{at} | {} |\n",
                row.scenario,
                row.verb,
                row.present,
                tenths(ours, floor),
                tenths(theirs, ours)
            ));
        }
    }
    out
}

/// A quotient with one digit after the point.
fn tenths(a: u64, b: u64) -> String {
    let tenths = (a * 10 + b / 2) / b.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}
