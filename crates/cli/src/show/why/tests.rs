//! Pages of verdicts: one whole, and many with names and sentences of any length.

use ropewalk_walk::{Dropped, Evidence, Live, Named, Over, Step, Verdict, Would};

use super::*;
use crate::show::paint::Color;

fn step(n: usize, netns: &str, stage: &'static str, object: &str, action: &str) -> Step {
    Step {
        n,
        netns: netns.into(),
        stage,
        dev: None,
        over: None,
        object: object.into(),
        action: action.into(),
        packet: "10.50.0.2 > 198.51.100.8".into(),
        verdict: "ok",
        seen: None,
    }
}

fn dropped() -> Verdict {
    let over = Over { netns: "h".into(), dev: "vc1".into(), bridge: Some("br0".into()) };
    let dev = |name: &str| Some(name.to_owned());
    Verdict {
        version: 1,
        code: "FILTER_DROP".into(),
        place: "h:ip/filter/FORWARD".into(),
        sentence: "no rule accepts, so the policy drops 10.50.0.2 to 198.51.100.8: \
                   ip/filter/FORWARD in h, at the hook forward"
            .into(),
        certainty: "predicted".into(),
        evidence: vec![Evidence {
            object: "FORWARD".into(),
            value: "no rule accepts, so the policy drops".into(),
            command: "ip netns exec h nft -a list chain ip filter FORWARD".into(),
        }],
        advice: None,
        fix: vec![
            "ip netns exec h iptables -t filter -I FORWARD -s 10.50.0.2 -d 198.51.100.8 -j ACCEPT"
                .into(),
            "ip netns exec h iptables -t filter -I FORWARD -s 198.51.100.8 -d 10.50.0.2 -j ACCEPT"
                .into(),
        ],
        verbs: Vec::new(),
        fix_checked: true,
        path: vec![
            Step {
                dev: dev("eth0"),
                ..step(1, "c1", "route", "route", "default via 10.50.0.1 dev eth0")
            },
            Step {
                dev: dev("eth0"),
                over: Some(over),
                ..step(2, "c1", "link", "eth0", "goes over to h vc1")
            },
            Step { dev: dev("br0"), ..step(3, "h", "link", "br0", "hands it up to the host") },
            Step {
                dev: dev("eth0"),
                ..step(4, "h", "route", "route", "default via 172.31.0.1 dev eth0")
            },
            Step {
                verdict: "drop",
                ..step(5, "h", "filter", "ip/filter/FORWARD", "no rule accepts, the policy is drop")
            },
        ],
        reply: Vec::new(),
        would: Would {
            path: vec![Step {
                dev: dev("eth0"),
                packet: "172.31.0.2 > 198.51.100.8".into(),
                ..step(6, "h", "link", "eth0", "leaves for 172.31.0.1")
            }],
            reply: vec![step(1, "h", "link", "br0", "passes it on to vc1")],
        },
        then: Vec::new(),
        model_gaps: Vec::new(),
        live: None,
    }
}

#[test]
fn what_ropewalk_itself_repairs_is_said_where_no_command_does() {
    let fixed = |verbs: &[&str], fix: &[&str]| {
        let [verbs, fix] =
            [verbs, fix].map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        let text = verdict(&Verdict { verbs, fix, ..dropped() }, &Look::default());
        text.split_once("FIX  ").map(|(_, after)| after.to_owned())
    };
    assert_eq!(fixed(&["ropewalk repair"], &[]).as_deref(), Some("ropewalk repair\n"));
    let both = fixed(&["ropewalk repair"], &["ip link set a up"]).unwrap_or_default();
    assert!(
        both.starts_with("ropewalk repair\n     or by hand:\n     ip link set a up\n"),
        "{both}"
    );
    assert_eq!(fixed(&[], &[]), None);
}

#[test]
fn what_was_seen_stands_beside_what_was_predicted() {
    let mut v = dropped();
    v.certainty = "predicted+seen".into();
    for (step, seen) in v.path.iter_mut().zip([None, Some(3), Some(3), None, Some(2)]) {
        step.seen = seen;
    }
    let reason = "NETFILTER_DROP".into();
    let stack = vec!["nft_do_chain".to_owned(), "ip_forward".to_owned()];
    let drop = Dropped { netns: "h".into(), device: None, reason, stack, reply: false, count: 2 };
    let finding = Some("the model says that it gets through; it was refused".into());
    let drops = vec![drop];
    v.live = Some(Live { sent: 3, drops, finding, ..Live::default() });
    let text = verdict(&v, &Look::default());
    let (before, after) = text.split_once("\n\nWHY").unwrap_or_default();
    assert!(after.contains("FIX"), "{after}");
    expect_test::expect![[r#"
        c1 eth0 ── vc1[br0] h ──✗ eth0 ┈┈ 198.51.100.8
        NO  no rule accepts, so the policy drops 10.50.0.2 to 198.51.100.8:
            ip/filter/FORWARD in h, at the hook forward
            [FILTER_DROP] at h:ip/filter/FORWARD, predicted+seen

         #  WHERE                REQUEST                                   VERDICT  SEEN
         1  c1                   route default via 10.50.0.1 dev eth0      ok
                                 10.50.0.2 > 198.51.100.8
         2  c1:eth0              goes over to h vc1                        ok          3
         3  h:br0                hands it up to the host                   ok          3
         4  h                    route default via 172.31.0.1 dev eth0     ok
         5  h ip/filter/FORWARD  no rule accepts, the policy is drop       DROP        2
         6  h:eth0               leaves for 172.31.0.1                     (would)
                                 172.31.0.2 > 198.51.100.8
            and the answer would come back

        SEEN sent 3, answered 0
             the model says that it gets through; it was refused
             h dropped it, 2 times: NETFILTER_DROP in nft_do_chain < ip_forward"#]]
    .assert_eq(before);
}

#[test]
fn a_page_has_the_way_the_verdict_the_hops_and_the_fix() {
    let look =
        Look { repair: Some("ropewalk fix c1 198.51.100.8 --apply".into()), ..Look::default() };
    expect_test::expect![[r#"
        c1 eth0 ── vc1[br0] h ──✗ eth0 ┈┈ 198.51.100.8
        NO  no rule accepts, so the policy drops 10.50.0.2 to 198.51.100.8:
            ip/filter/FORWARD in h, at the hook forward
            [FILTER_DROP] at h:ip/filter/FORWARD, predicted

         #  WHERE                REQUEST                                         VERDICT
         1  c1                   route default via 10.50.0.1 dev eth0            ok
                                 10.50.0.2 > 198.51.100.8
         2  c1:eth0              goes over to h vc1                              ok
         3  h:br0                hands it up to the host                         ok
         4  h                    route default via 172.31.0.1 dev eth0           ok
         5  h ip/filter/FORWARD  no rule accepts, the policy is drop             DROP
         6  h:eth0               leaves for 172.31.0.1                           (would)
                                 172.31.0.2 > 198.51.100.8
            and the answer would come back

        WHY  FORWARD: no rule accepts, so the policy drops
               ip netns exec h nft -a list chain ip filter FORWARD

        FIX  ip netns exec h iptables -t filter -I FORWARD -s 10.50.0.2 -d \
             198.51.100.8 -j ACCEPT
             ip netns exec h iptables -t filter -I FORWARD -s 198.51.100.8 -d \
             10.50.0.2 -j ACCEPT
             checked in the model: request and answer then get through
             ropewalk fix c1 198.51.100.8 --apply
    "#]]
    .assert_eq(&verdict(&dropped(), &look));
}

#[test]
fn an_answer_that_stops_has_a_line_of_its_own() {
    let mut v = dropped();
    let dev = |name: &str| Some(name.to_owned());
    v.path = vec![
        Step { dev: dev("eth0"), ..step(1, "c1", "route", "route", "default dev eth0") },
        Step { dev: dev("eth0"), ..step(2, "c1", "link", "eth0", "leaves for 10.50.0.1") },
    ];
    v.reply = vec![Step { verdict: "stop", ..step(1, "c1", "link", "eth0", "is its own address") }];
    v.would = Would::default();
    let text = verdict(&v, &Look::default());
    let lines: Vec<&str> = text.lines().take(2).collect();
    assert_eq!(lines, ["c1 eth0 ── 198.51.100.8", "back: 198.51.100.8 ── c1 ──✗"]);
}

#[test]
fn colours_change_no_character() {
    let paint = Paint::new(Color::Always);
    let painted = verdict(&dropped(), &Look { paint, repair: None });
    assert!(painted.contains("\u{1b}[1;31m──✗ eth0\u{1b}[0m"), "{painted}");
    let mut bare = String::new();
    let mut rest = painted.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        bare += before;
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    assert_eq!(bare + rest, verdict(&dropped(), &Look::default()));
}

/// Numbers that look like chance, the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % sides
    }

    fn name(&mut self) -> String {
        let longest = if self.roll(9) == 0 { 120 } else { 16 };
        let length = 1 + self.roll(longest);
        (0..length).map(|_| if self.roll(9) == 0 { 'é' } else { 'x' }).collect()
    }

    fn sentence(&mut self) -> String {
        (0..self.roll(30)).map(|_| self.name() + " ").collect()
    }

    fn steps(&mut self) -> Vec<Step> {
        let count = self.roll(9);
        (0..count).map(|n| self.step(usize::try_from(n).unwrap_or_default())).collect()
    }

    fn step(&mut self, n: usize) -> Step {
        let stages = ["route", "nat", "filter", "link", "deliver"];
        let stage = stages.get(usize::try_from(self.roll(5)).unwrap_or_default());
        let over = Over { netns: self.name(), dev: self.name(), bridge: Some(self.name()) };
        let some = |yes: u64| yes == 0;
        Step {
            dev: some(self.roll(2)).then(|| self.name()),
            over: some(self.roll(2)).then_some(over),
            packet: format!("{} > {}", self.name(), self.name()),
            seen: some(self.roll(3)).then_some(3),
            verdict: if self.roll(4) == 0 { "drop" } else { "ok" },
            ..step(n, &self.name(), stage.unwrap_or(&"link"), &self.name(), &self.sentence())
        }
    }
}

#[test]
fn no_line_is_wider_than_80_columns() {
    let mut dice = Dice(7);
    for _ in 0..300 {
        let mut v = dropped();
        (v.place, v.sentence, v.certainty) = (dice.name(), dice.sentence(), dice.sentence());
        (v.path, v.reply) = (dice.steps(), dice.steps());
        v.would = Would { path: dice.steps(), reply: dice.steps() };
        v.fix = vec![dice.sentence(), format!("sh -c '{}'", dice.sentence())];
        v.evidence = vec![Evidence {
            object: dice.name(),
            value: dice.sentence(),
            command: dice.sentence(),
        }];
        v.then =
            vec![Named { code: "NO_SNAT".into(), place: dice.name(), sentence: dice.sentence() }];
        v.model_gaps = vec![dice.sentence()];
        let (told, finding) = (vec![dice.sentence()], Some(dice.sentence()));
        v.live = Some(Live { told, finding, ..Live::default() });
        let look = Look { repair: Some(dice.sentence()), ..Look::default() };
        for line in verdict(&v, &look).lines() {
            assert!(fill::columns(line) <= WIDTH, "{} columns: {line}", fill::columns(line));
        }
    }
}
