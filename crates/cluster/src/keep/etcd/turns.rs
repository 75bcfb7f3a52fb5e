//! Whom to ask: one member after another, without waiting long for any.
//!
//!     1 ─ silent ……………………………          2 ─ after 250 ms ─ answers          3 is not asked
//!
//! As RFC 8305 has it for addresses of a name.  Never here: how a member is asked.

use std::time::Duration;

use tokio::task::JoinSet;

use super::Fault;

/// How long a member is given before the next one is asked, too.
const PAUSE: Duration = Duration::from_millis(250);

/// What the first says that answers, and which it is. One that refuses says more than one that is away.
pub(super) async fn first<T, F>(
    turns: impl ExactSizeIterator<Item = usize>,
    ask: impl Fn(usize) -> F,
) -> Result<(usize, T), Fault>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Fault>> + Send + 'static,
{
    let (mut turns, mut asked) = (turns, JoinSet::new());
    let mut worst = Fault::Odd { what: "nothing: it has no members" };
    loop {
        if let Some(at) = turns.next() {
            let answer = ask(at);
            asked.spawn(async move { (at, answer.await) });
        }
        let said = match turns.len() {
            0 => asked.join_next().await,
            _ => match tokio::time::timeout(PAUSE, asked.join_next()).await {
                Ok(said) => said,
                Err(_) => continue,
            },
        };
        match said {
            Some(Ok((at, Ok(answer)))) => return Ok((at, answer)),
            Some(Ok((_, Err(fault @ Fault::Certificates { .. })))) => return Err(fault),
            Some(Ok((_, Err(fault)))) if !matches!(worst, Fault::Refused { .. }) => worst = fault,
            Some(_) => {}
            None if turns.len() == 0 => return Err(worst),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn told(answers: &'static [Option<Result<u8, &'static str>>]) -> Result<(usize, u8), Fault> {
        let ask = |at: usize| async move {
            match answers.get(at).copied().flatten() {
                Some(Ok(answer)) => Ok(answer),
                Some(Err("no")) => Err(Fault::Refused { member: at.to_string(), why: "no".into() }),
                Some(Err(why)) => Err(Fault::Away { member: at.to_string(), why: why.into() }),
                None => std::future::pending().await,
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let work = async {
            tokio::time::timeout(Duration::from_secs(60), first(0..answers.len(), ask)).await
        };
        runtime.block_on(work).unwrap()
    }

    #[test]
    fn a_member_that_is_silent_keeps_nobody_waiting() {
        assert_eq!(told(&[None, Some(Err("gone")), Some(Ok(7))]), Ok((2, 7)));
        assert_eq!(told(&[Some(Ok(1)), None]), Ok((0, 1)));
    }

    #[test]
    fn of_several_that_fail_one_that_refuses_says_why() {
        let refused = Fault::Refused { member: "1".into(), why: "no".into() };
        assert_eq!(told(&[Some(Err("gone")), Some(Err("no")), Some(Err("gone"))]), Err(refused));
        assert!(matches!(told(&[]), Err(Fault::Odd { .. })));
    }
}
