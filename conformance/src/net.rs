//! A network as runtimes keep it, a list of plugins, and the verbs on it.
//!
//!     let net = Net::of(json!({"type": "bridge", …}));      cniVersion and name are added
//!     let result = host.add(&net, "c1")?;                   in order, prevResult handed on
//!     host.del(&net, "c1", &result)?;                       the other way round
//!
//! `c1` is container `box-c1`, its namespace /run/netns/c1 and the interface eth0; `c1:net1` another interface.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Host;
use crate::call::Ran;
use crate::check::{Held, Miss};
use crate::host::netns;

/// A list of plugins with a name.
#[derive(Clone, Debug)]
pub(crate) struct Net {
    /// The version that is spoken.
    pub(crate) version: &'static str,
    /// The network's name.
    pub(crate) name: &'static str,
    /// The plugins' configurations.
    pub(crate) plugins: Vec<Value>,
}

impl Net {
    /// A network of one plugin.
    pub(crate) fn of(conf: Value) -> Self {
        Self::list(vec![conf])
    }

    /// A network of several.
    pub(crate) fn list(plugins: Vec<Value>) -> Self {
        Self { version: "1.0.0", name: "net", plugins }
    }

    /// The same in another version.
    pub(crate) fn speaks(self, version: &'static str) -> Self {
        Self { version, ..self }
    }

    /// The same with fields added to its last plugin.
    pub(crate) fn and(mut self, more: Value) -> Self {
        if let (Some(Value::Object(last)), Value::Object(more)) = (self.plugins.last_mut(), more) {
            last.extend(more);
        }
        self
    }

    /// What one of its plugins reads.
    pub(crate) fn conf(&self, plugin: &Value, previous: &Value) -> Value {
        let mut conf = plugin.clone();
        if let Value::Object(fields) = &mut conf {
            fields.insert("cniVersion".to_owned(), self.version.into());
            fields.insert("name".to_owned(), self.name.into());
            if !previous.is_null() {
                fields.insert("prevResult".to_owned(), previous.clone());
            }
        }
        conf
    }
}

/// A verb on a container, with what is out of the ordinary.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    verb: &'static str,
    who: String,
    vars: BTreeMap<&'static str, String>,
}

impl Call {
    /// `Call::new("ADD", "c1")`.
    pub(crate) fn new(verb: &'static str, who: &str) -> Self {
        Self { verb, who: who.to_owned(), vars: BTreeMap::new() }
    }

    /// With a variable, `CNI_` left out of its name; none if it is empty.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.vars.insert(name, value.to_owned());
        self
    }
}

impl Host {
    /// Runs one plugin as a runtime does.
    pub(crate) fn call(&self, call: &Call, plugin: &str, conf: &Value) -> Result<Ran, Miss> {
        let (container, ifname) = call.who.split_once(':').unwrap_or((&call.who, "eth0"));
        if matches!(call.verb, "ADD") && !container.is_empty() {
            self.container(container)?;
        }
        let mut vars = BTreeMap::from([
            ("COMMAND", call.verb.to_owned()),
            ("PATH", self.plugins.display().to_string()),
        ]);
        if !container.is_empty() {
            vars.insert("CONTAINERID", format!("box-{container}"));
            vars.insert("NETNS", netns(container));
            vars.insert("IFNAME", ifname.to_owned());
        }
        vars.extend(call.vars.clone());
        vars.retain(|_, value| !value.is_empty());
        self.raw(plugin, &vars, &conf.to_string())
    }

    /// Runs the first plugin of a network.
    pub(crate) fn first(&self, net: &Net, call: &Call, previous: &Value) -> Result<Ran, Miss> {
        let plugin = net.plugins.first().unwrap_or(&Value::Null);
        self.call(call, kind(plugin), &net.conf(plugin, previous))
    }

    /// Adds a container to a network; the last result.
    pub(crate) fn add(&self, net: &Net, who: &str) -> Result<Value, Miss> {
        self.add_as(net, &Call::new("ADD", who))
    }

    /// As [`Host::add`] with variables.
    pub(crate) fn add_as(&self, net: &Net, call: &Call) -> Result<Value, Miss> {
        self.try_add(net, call)?.ok()
    }

    /// As [`Host::add_as`]: what the last plugin that ran said, which may be a refusal.
    pub(crate) fn try_add(&self, net: &Net, call: &Call) -> Result<Ran, Miss> {
        let mut previous = Value::Null;
        let mut last = None;
        for plugin in &net.plugins {
            let ran = self.call(call, kind(plugin), &net.conf(plugin, &previous))?;
            if ran.status != Some(0) {
                return Ok(ran);
            }
            previous = ran.ok()?;
            last = Some(ran);
        }
        last.ok_or_else(|| Miss::Cannot("a network without plugins".to_owned()))
    }

    /// Removes a container as a runtime that remembers everything does.
    pub(crate) fn del(&self, net: &Net, who: &str, result: &Value) -> Held {
        self.del_as(net, &Call::new("DEL", who), result)
    }

    /// As [`Host::del`] with variables.
    pub(crate) fn del_as(&self, net: &Net, call: &Call, result: &Value) -> Held {
        for plugin in net.plugins.iter().rev() {
            self.call(call, kind(plugin), &net.conf(plugin, result))?.quiet()?;
        }
        Ok(())
    }

    /// Removes a container as a runtime that forgot all but its name: no namespace, no result, no
    /// `runtimeConfig`.
    pub(crate) fn del_bare(&self, net: &Net, who: &str) -> Held {
        let mut net = net.clone();
        for plugin in net.plugins.iter_mut().filter_map(Value::as_object_mut) {
            plugin.remove("runtimeConfig");
        }
        self.del_as(&net, &Call::new("DEL", who).with("NETNS", ""), &Value::Null)
    }

    /// Asks all plugins of a network whether what ADD did is there: what the first that refuses
    /// says, else what the last one does.
    pub(crate) fn check(&self, net: &Net, who: &str, result: &Value) -> Result<Ran, Miss> {
        let mut last = None;
        for plugin in &net.plugins {
            let ran =
                self.call(&Call::new("CHECK", who), kind(plugin), &net.conf(plugin, result))?;
            if ran.status != Some(0) {
                return Ok(ran);
            }
            last = Some(ran);
        }
        last.ok_or_else(|| Miss::Cannot("a network without plugins".to_owned()))
    }

    /// Collects garbage: `valid` are the containers that live.
    pub(crate) fn gc(&self, net: &Net, valid: &[&str]) -> Held {
        let net = net.clone().speaks("1.1.0");
        let one = |who: &&str| json!({"containerID": format!("box-{who}"), "ifname": "eth0"});
        let valid: Vec<Value> = valid.iter().map(one).collect();
        for plugin in &net.plugins {
            let mut conf = net.conf(plugin, &Value::Null);
            if let Value::Object(fields) = &mut conf {
                fields.remove("runtimeConfig");
                fields.insert("cni.dev/valid-attachments".to_owned(), valid.clone().into());
                fields.insert("cni.dev/attachments".to_owned(), valid.clone().into());
            }
            self.call(&Call::new("GC", ""), kind(plugin), &conf)?.quiet()?;
        }
        Ok(())
    }

    /// Asks the first plugin of a network whether ADD would work.
    pub(crate) fn status(&self, net: &Net) -> Result<Ran, Miss> {
        let net = net.clone().speaks("1.1.0");
        self.first(&net, &Call::new("STATUS", ""), &Value::Null)
    }
}

/// The plugin that a configuration is for.
pub(crate) fn kind(plugin: &Value) -> &str {
    plugin["type"].as_str().unwrap_or_default()
}
