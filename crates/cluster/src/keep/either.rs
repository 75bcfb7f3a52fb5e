//! A store of either kind, for whoever is told which by a file.
//!
//!     here                           the host's own file
//!     etcd://…, etcds://…            etcd
//!
//! Never here: what either does.

use super::etcd::{Etcd, EtcdWatch};
use super::{Embedded, EmbeddedWatch, Fault, Item, News, Outcome, Store, Txn, Watch};

/// A store.
#[derive(Debug)]
pub enum Either {
    /// The host's own.
    Here(Embedded),
    /// In etcd.
    Etcd(Box<Etcd>),
}

/// A watch on it.
#[derive(Debug)]
pub enum EitherWatch {
    /// On the host's own.
    Here(EmbeddedWatch),
    /// On etcd.
    Etcd(Box<EtcdWatch>),
}

impl Store for Either {
    type Watch = EitherWatch;

    async fn pages(&mut self, prefix: &str, each: impl FnMut(Vec<Item>)) -> Result<u64, Fault> {
        match self {
            Self::Here(store) => store.pages(prefix, each).await,
            Self::Etcd(store) => store.pages(prefix, each).await,
        }
    }

    async fn watch(&mut self, prefix: &str, from: u64) -> Result<EitherWatch, Fault> {
        match self {
            Self::Here(store) => store.watch(prefix, from).await.map(EitherWatch::Here),
            Self::Etcd(store) => {
                store.watch(prefix, from).await.map(|watch| EitherWatch::Etcd(Box::new(watch)))
            }
        }
    }

    async fn txn(&mut self, txn: &Txn) -> Result<Outcome, Fault> {
        match self {
            Self::Here(store) => store.txn(txn).await,
            Self::Etcd(store) => store.txn(txn).await,
        }
    }

    async fn alive(&mut self, key: &str, value: &[u8]) -> Result<(), Fault> {
        match self {
            Self::Here(store) => store.alive(key, value).await,
            Self::Etcd(store) => store.alive(key, value).await,
        }
    }
}

impl Watch for EitherWatch {
    async fn next(&mut self) -> Result<News, Fault> {
        match self {
            Self::Here(watch) => watch.next().await,
            Self::Etcd(watch) => watch.next().await,
        }
    }
}
