//! The folder: who may see it, which boot and namespace it speaks of, and what is said when it
//! cannot be used.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use ropewalk_store::{Stamp, Store, StoreError};

use crate::{Folder, attach, key, network, stamp, web};

#[test]
fn folder_and_files_are_for_their_owner_alone() {
    let folder = Folder::new();
    let store = folder.open();
    let _held = store.share_structure().unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.state()), 0o700);
    let files: Vec<_> =
        fs::read_dir(folder.state()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    files.iter().for_each(|file| assert_eq!(mode(file), 0o600, "{file:?}"));
}

#[test]
fn state_of_another_boot_is_dropped() {
    let folder = Folder::new();
    attach(&folder.open(), &network("10.9.0.0/24"), "netns:a").unwrap();
    let same = Store::open(&folder.state(), &stamp()).unwrap();
    assert_eq!(same.read().unwrap().attachments().unwrap().len(), 1);
    drop(same);
    let later = Stamp { boot: "second".to_owned(), cookie: 2 };
    assert!(Store::open_existing(&folder.state(), &later).unwrap().is_none());
    let fresh = Store::open(&folder.state(), &later).unwrap();
    assert!(fresh.read().unwrap().attachments().unwrap().is_empty());
    assert!(fresh.read().unwrap().leases(&web()).unwrap().is_empty());
}

#[test]
fn state_of_another_namespace_is_refused() {
    let folder = Folder::new();
    drop(folder.open());
    let other = Stamp { cookie: 2, ..stamp() };
    for opened in [
        Store::open(&folder.state(), &other).map(drop),
        Store::open_existing(&folder.state(), &other).map(drop),
    ] {
        let error = opened.unwrap_err();
        assert!(matches!(error, StoreError::OtherNetns { found: 1, own: 2, .. }), "{error}");
    }
    folder.open();
}

#[test]
fn this_boot_has_an_id() {
    let now = Stamp::of_this_boot(1).unwrap();
    assert_eq!(now.boot.len(), 36);
}

#[test]
fn looking_makes_nothing() {
    let folder = Folder::new();
    assert!(Store::open_existing(&folder.state(), &stamp()).unwrap().is_none());
    assert!(!folder.state().exists());
    drop(folder.open());
    assert!(Store::open_existing(&folder.state(), &stamp()).unwrap().is_some());
}

fn refused(folder: &Folder) -> StoreError {
    Store::open(&folder.state(), &stamp()).unwrap_err()
}

#[test]
fn what_is_not_a_folder_is_refused_by_name() {
    let folder = Folder::new();
    fs::write(folder.state(), "").unwrap();
    assert!(matches!(refused(&folder), StoreError::NotAFolder { path } if path == folder.state()));
    let under = folder.state().join("deeper");
    let error = Store::open(&under, &stamp()).unwrap_err();
    assert!(matches!(error, StoreError::NotAFolder { path } if path == under));
}

#[test]
fn a_folder_that_others_may_write_is_refused() {
    let folder = Folder::new();
    fs::create_dir(folder.state()).unwrap();
    fs::set_permissions(folder.state(), Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(refused(&folder), StoreError::Exposed { mode: 0o777, .. }));
    fs::set_permissions(folder.state(), Permissions::from_mode(0o755)).unwrap();
    folder.open();
}

#[test]
fn a_database_of_someone_else_is_left_alone() {
    let folder = Folder::new();
    fs::create_dir(folder.state()).unwrap();
    let data = folder.state().join("data.mdb");
    fs::write(&data, "theirs").unwrap();
    assert!(matches!(refused(&folder), StoreError::Foreign { path } if path == data));
    assert_eq!(fs::read_to_string(&data).unwrap(), "theirs");
}

#[test]
fn a_damaged_database_is_refused_by_name() {
    let folder = Folder::new();
    let net = network("10.9.0.0/16");
    let store = folder.open();
    (0..50).for_each(|n| drop(attach(&store, &net, &format!("netns:c{n}")).unwrap()));
    drop(store);
    let data = folder.state().join("data.mdb");
    fs::File::options().write(true).open(&data).unwrap().set_len(3 * 4096).unwrap();
    assert!(matches!(refused(&folder), StoreError::Corrupt { path } if path == data));
    fs::write(&data, vec![b'x'; 100_000]).unwrap();
    assert!(matches!(refused(&folder), StoreError::Corrupt { path } if path == data));
    fs::write(folder.state().join("stamp"), "ropewalk 999\n").unwrap();
    assert!(matches!(refused(&folder), StoreError::Version { .. }));
}

#[test]
fn a_damaged_record_is_refused_by_name() {
    let folder = Folder::new();
    attach(&folder.open(), &network("10.9.0.0/24"), "netns:a").unwrap();
    let data = folder.state().join("data.mdb");
    let mut bytes = fs::read(&data).unwrap();
    let word = b"\"sandbox\"";
    let places: Vec<_> =
        (0..bytes.len() - word.len()).filter(|at| bytes[*at..].starts_with(word)).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|at| bytes[*at] = b'!');
    fs::write(&data, bytes).unwrap();
    let error = folder.open().read().unwrap().attachments().unwrap_err();
    assert!(error.to_string().starts_with("the record of netns:a eth0 in /"), "{error}");
}

/// Runs this test again as `unshare -m`, after `prepare`, with the folder in the environment.
fn in_private_mounts(test: &str, folder: &Folder, prepare: &str) -> bool {
    let path = folder.state();
    let path = path.to_str().unwrap();
    let script = format!("set -e; {prepare}; exec \"$0\" --exact {test} --nocapture");
    let exe = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script]).arg(exe).env("RW_STATE", path);
    command.status().unwrap().success()
}

fn inner_state() -> Option<std::path::PathBuf> {
    std::env::var_os("RW_STATE").map(Into::into)
}

#[test]
fn a_read_only_folder_is_refused_by_name() {
    if let Some(state) = inner_state() {
        let error = Store::open(&state, &stamp()).unwrap_err();
        let StoreError::Folder { path, source } = error else { panic!("{error}") };
        assert!(path.starts_with(&state), "{path:?}");
        assert_eq!(source.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
        return;
    }
    let (fresh, used) = (Folder::new(), Folder::new());
    fs::create_dir(fresh.state()).unwrap();
    drop(used.open());
    let prepare =
        "mount --bind \"$RW_STATE\" \"$RW_STATE\"; mount -o remount,bind,ro \"$RW_STATE\"";
    let test = "folder::a_read_only_folder_is_refused_by_name";
    assert!(in_private_mounts(test, &fresh, prepare), "a folder without state");
    assert!(in_private_mounts(test, &used, prepare), "a folder with state");
}

#[test]
fn a_full_folder_is_refused_and_keeps_what_it_has() {
    if let Some(state) = inner_state() {
        let store = Store::open(&state, &stamp()).unwrap();
        let net = network("10.9.0.0/16");
        let mut kept = 0;
        let error = loop {
            match attach(&store, &net, &format!("netns:c{kept}")) {
                Ok(_) => kept += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(&error, StoreError::Full { path } if *path == state), "{error}");
        assert!(kept > 10, "{kept}");
        assert_eq!(store.read().unwrap().attachments().unwrap().len(), kept);
        let mut tx = store.write().unwrap();
        assert!(tx.remove(&key("netns:c0")).unwrap());
        tx.commit().unwrap();
        attach(&store, &net, "netns:again").unwrap();
        return;
    }
    let folder = Folder::new();
    fs::create_dir(folder.state()).unwrap();
    let prepare = "mount -t tmpfs -o size=256k,mode=700 none \"$RW_STATE\"";
    let test = "folder::a_full_folder_is_refused_and_keeps_what_it_has";
    assert!(in_private_mounts(test, &folder, prepare));
}
