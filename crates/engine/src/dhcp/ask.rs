//! Questions to DHCP servers: said again ever more seldom, until each is answered or the time is over.
//!
//! Many clients ask at a time, so that a server that is gone costs all of them one wait.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use ropewalk_facts::Mac;
use ropewalk_kernel::Lan;
use ropewalk_store::Dhcp;
use ropewalk_wire::lan::dhcp::{self, Answer, Client, Reply, Say};

use crate::fault::Fault;

/// When a question is first said again; then after twice as long, and so on.
const FIRST: Duration = Duration::from_millis(400);
/// The longest pause.
const LAST: Duration = Duration::from_secs(4);
/// After how many refusals it is given up.
const REFUSALS: u32 = 4;

/// How it went.
pub(super) enum Outcome {
    /// A server lends an address.
    Lent(Reply),
    /// No server offered one.
    NoOffer,
    /// One did, but not the one that was wished for.
    Other(Ipv4Addr, Reply),
    /// The server that offered one says nothing more.
    Silent(Ipv4Addr),
    /// It refuses what it offered.
    Refused(Ipv4Addr),
}

/// A client that asks until a moment.
pub(super) struct Dialogue<'a> {
    lan: &'a Lan,
    client: Client,
    until: Instant,
}

impl<'a> Dialogue<'a> {
    /// Begins now.
    pub(super) fn new(lan: &'a Lan, client: Client, wait: Duration) -> Self {
        Self { lan, client, until: Instant::now() + wait }
    }

    /// Borrows an address, the one of the `wish` if there is one.
    pub(super) fn borrow(&self, wish: Option<Ipv4Addr>) -> Result<Outcome, Fault> {
        let mut refusals = 0;
        loop {
            let Some(offer) = self.ask(Say::Discover { wish })? else {
                return Ok(Outcome::NoOffer);
            };
            let (ip, server) = (offer.net.addr(), offer.server);
            if let Some(wish) = wish.filter(|wish| *wish != ip) {
                return Ok(Outcome::Other(wish, offer));
            }
            match self.ask(Say::Request { ip, server })? {
                None => return Ok(Outcome::Silent(server)),
                Some(reply) if reply.answer == Answer::Ack => return Ok(Outcome::Lent(reply)),
                Some(_) => refusals += 1,
            }
            if refusals == REFUSALS {
                return Ok(Outcome::Refused(server));
            }
        }
    }

    fn ask(&self, say: Say) -> Result<Option<Reply>, Fault> {
        let mut question = [Question::new(self.lan, self.client.clone(), say)];
        ask_all(&mut question, self.until);
        let [Question { answer, .. }] = question;
        answer.transpose()
    }
}

/// A question of one client.
pub(super) struct Question<'a> {
    lan: &'a Lan,
    client: Client,
    say: Say,
    began: Instant,
    /// The answer, or why it could not be asked.
    pub(super) answer: Option<Result<Reply, Fault>>,
}

impl<'a> Question<'a> {
    pub(super) fn new(lan: &'a Lan, client: Client, say: Say) -> Self {
        Self { lan, client, say, began: Instant::now(), answer: None }
    }

    fn say(&mut self) {
        self.client.secs = u16::try_from(self.began.elapsed().as_secs()).unwrap_or(u16::MAX);
        let sent = dhcp::frame(&self.client, self.say).map(|frame| self.lan.send(&frame));
        if let Some(Err(error)) = sent {
            self.answer = Some(Err(error.into()));
        }
    }

    fn listen(&mut self, until: Instant) {
        while self.answer.is_none() {
            match self.lan.hear(until) {
                Ok(Some(frame)) => {
                    let reply = dhcp::read(&self.client, &frame);
                    self.answer = reply.filter(|reply| fits(reply, self.say)).map(Ok);
                }
                Ok(None) => return,
                Err(error) => self.answer = Some(Err(error.into())),
            }
        }
    }
}

/// Asks all until each is answered, or the moment comes.
pub(super) fn ask_all(questions: &mut [Question<'_>], until: Instant) {
    let mut pause = FIRST;
    loop {
        let now = Instant::now();
        let mut open = questions.iter_mut().filter(|question| question.answer.is_none()).peekable();
        if now >= until || open.peek().is_none() {
            return;
        }
        open.for_each(Question::say);
        // What the others hear meanwhile waits in their sockets.
        let round = (now + pause).min(until);
        questions.iter_mut().for_each(|question| question.listen(round));
        pause = (pause * 2).min(LAST);
    }
}

/// An offer that comes late is no answer to a request, and another server's word is not this one's.
fn fits(reply: &Reply, say: Say) -> bool {
    let refuses = reply.answer == Answer::Nak;
    match say {
        Say::Discover { .. } => reply.answer == Answer::Offer,
        Say::Request { ip, server } => {
            let given = reply.answer == Answer::Ack && reply.net.addr() == ip;
            reply.server == server && (given || refuses)
        }
        Say::Renew { ip, .. } => refuses || (reply.answer == Answer::Ack && reply.net.addr() == ip),
        Say::Decline { .. } | Say::Release { .. } => false,
    }
}

/// Says something that has no answer, as far as it can be said.
pub(super) fn tell(lan: &Lan, client: &Client, say: Say) {
    if let Some(frame) = dhcp::frame(client, say) {
        let _ = lan.send(&frame);
    }
}

/// The client that an attachment is, for one exchange.
pub(super) fn client(lan: &Lan, dhcp: &Dhcp) -> Client {
    let name = dhcp.name.clone();
    Client { name, ..Client::new(dhcp.client, lan.mac(), exchange(dhcp.client)) }
}

/// A number that no other exchange on the LAN has: of the client's own, and of the moment.
pub(super) fn exchange(Mac([_, _, a, b, c, d]): Mac) -> u32 {
    let moment = u32::try_from(crate::now() & u64::from(u32::MAX)).unwrap_or_default();
    u32::from_be_bytes([a, b, c, d]) ^ moment.rotate_left(16)
}
