//! A real registry beside the engines.

use std::fs;
use std::process::{Child, Command, Stdio};

use super::engines::{Engines, skipped, wait_for};
use super::ship::PATIENCE;

/// A registry that runs until it is dropped.
pub struct Registry {
    child: Child,
    /// `HOST:PORT`, as image names carry it.
    pub address: String,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether there is a registry to start; if not, that is said.
pub fn installed() -> bool {
    let there = std::path::Path::new("/usr/bin/docker-registry").exists();
    if !there {
        skipped("docker-registry is not installed");
    }
    there
}

impl Registry {
    /// Starts one where every engine reaches it: for anyone, or for those of an `htpasswd`.
    pub fn start(engines: &Engines, htpasswd: Option<&str>) -> Self {
        let dir = engines.dir.path().join("registry");
        fs::create_dir_all(&dir).unwrap();
        let address = format!("{}:5000", engines.host_address());
        let mut config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}/data}}}}\n\
             http: {{addr: {address}}}\n",
            dir.display()
        );
        if let Some(text) = htpasswd {
            let file = dir.join("htpasswd");
            fs::write(&file, text).unwrap();
            let path = file.display();
            config.push_str(&format!(
                "auth: {{htpasswd: {{realm: deck, path: {path}}}}}\n"
            ));
        }
        fs::write(dir.join("config.yml"), config).unwrap();
        let child = Command::new("docker-registry")
            .args(["serve", dir.join("config.yml").to_str().unwrap()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        wait_for("the registry to listen", PATIENCE, || {
            std::net::TcpStream::connect(&address).is_ok()
        });
        Self { child, address }
    }
}
