//! Whether the host may act: the right cluster, a schema it knows, and itself a member.
//!
//!     gone/ME with my generation      removed, by a person: nothing is mine
//!     no host/ME, no gone/ME          the store has forgotten me: I tell it again
//!     host/ME with another token      another host has my id
//!
//! That something is not in the store never means that it was taken away: removal is a record.
//! Never here: blocks.

use super::journal::Standing;
use super::{Alarm, Work, found, put, removal};
use crate::keep::Write;
use crate::key::Key;
use crate::record::{Host, Meta, SCHEMA};
use crate::view::Kept;

impl Work<'_> {
    /// Whether the store is that of the host's cluster and can be written.
    pub(super) fn same_cluster(&mut self) -> bool {
        if self.view.occupied(&Key::Meta) {
            self.alarms.insert(Alarm::Unreadable { key: Key::Meta.to_string() });
            return false;
        }
        let Some(Kept { value: meta, .. }) = &self.view.meta else {
            self.empty();
            return false;
        };
        if meta.schema > SCHEMA {
            self.alarms.insert(Alarm::Newer { schema: meta.schema });
            return false;
        }
        if meta.cluster != self.journal.cluster {
            self.alarms.insert(Alarm::OtherCluster { cluster: meta.cluster.clone() });
            return false;
        }
        if self.view.revision < self.journal.seen {
            self.forgotten();
        }
        self.journal.seen = self.view.revision;
        true
    }

    /// A store without anything: it is new, or was wiped.
    fn empty(&mut self) {
        match self.journal.standing {
            Standing::Removed => return,
            Standing::Joining => {}
            Standing::Member => self.forgotten(),
        }
        let meta = Meta { schema: SCHEMA, cluster: self.journal.cluster.clone() };
        self.send(vec![found(&Key::Meta, None)], vec![put(&Key::Meta, &meta)]);
    }

    /// Whether the host is a member, as far as the store says.
    pub(super) fn stands(&mut self) -> bool {
        let id = self.journal.host.clone();
        let own = self.journal.me.generation;
        let gone = self.view.gone.get(&id);
        if self.journal.standing == Standing::Removed
            || gone.is_some_and(|gone| gone.value.generation >= own)
        {
            self.journal.standing = Standing::Removed;
            self.journal.me.generation = own.max(gone.map_or(0, |gone| gone.value.generation));
            self.alarms.insert(Alarm::Removed);
            self.still_gone();
            return false;
        }
        let key = Key::Host(id.clone());
        if self.view.occupied(&key) {
            self.alarms.insert(Alarm::Unreadable { key: key.to_string() });
            return false;
        }
        let Some(host) = self.view.hosts.get(&id) else {
            self.enter(None);
            return false;
        };
        self.known(host)
    }

    /// Tells a store that has forgotten of the removal.
    fn still_gone(&mut self) {
        let host = self.view.hosts.get(&self.journal.host);
        let older = |host: &Kept<Host>| host.value.generation <= self.journal.me.generation;
        if host.is_none_or(older) {
            self.txns.extend(removal(self.view, &self.journal.host, self.local.now));
        }
    }

    fn known(&mut self, host: &Kept<Host>) -> bool {
        let me = &mut self.journal.me;
        let older = host.value.generation < me.generation;
        if !older && host.value.token == me.token {
            // A reboot forgets how often it has joined.
            me.generation = host.value.generation;
        } else if !older {
            self.alarms.insert(Alarm::Duplicate { name: host.value.name.clone() });
            return false;
        }
        if host.value != *me {
            // An address has changed; or the store has an earlier life of this host.
            self.enter(Some(host.modified));
        }
        if !older {
            self.journal.standing = Standing::Member;
        }
        !older
    }

    /// Writes the host's record in the place of the one of that revision.
    fn enter(&mut self, before: Option<u64>) {
        if self.journal.standing == Standing::Member && before.is_none() {
            self.forgotten();
        }
        let (host, gone) =
            (Key::Host(self.journal.host.clone()), Key::Gone(self.journal.host.clone()));
        let removed = self.view.gone.get(&self.journal.host).map(|gone| gone.modified);
        let meta = self.view.meta.as_ref().map(|meta| meta.modified);
        let compares = vec![found(&host, before), found(&gone, removed), found(&Key::Meta, meta)];
        let mut writes = vec![put(&host, &self.journal.me)];
        if removed.is_some() {
            writes.push(Write::Delete(gone.to_string()));
        }
        self.send(compares, writes);
    }
}
