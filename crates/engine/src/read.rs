//! Reading a declaration: the file's text, in view of the networks that are there.
//!
//! Never here: doing what it says.

use std::path::Path;

use ropewalk_spec::Declaration;

use crate::Engine;
use crate::code::Code;
use crate::fault::Fault;

impl Engine {
    /// What `file` declares. Its attachments may name networks of the file and those that are
    /// there already.
    ///
    /// # Errors
    /// [`Code::BadFile`] with line and column.
    pub fn read(&mut self, file: &Path) -> Result<Declaration, Fault> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            Fault::new(Code::BadFile, format!("cannot read {}", file.display()))
                .kernel(error.to_string())
                .or_try("name a TOML file; `ropewalk help up` shows its form")
        })?;
        let known = self.known_networks()?;
        Ok(Declaration::parse(&file.display().to_string(), &text, &known)?)
    }
}
