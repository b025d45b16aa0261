//! In place of TLS where it is not built in: nothing of it can be had.

use std::io;
use std::net::TcpStream;

use crate::config::Tls;
use crate::error::ClusterError;

pub(super) enum Identity {}

impl Identity {
    pub(super) fn load(files: &Tls) -> Result<Self, ClusterError> {
        Err(ClusterError::Tls {
            path: files.certificate.clone(),
            reason: "this build has no TLS; build it with `--features tls`".into(),
        })
    }
}

pub(super) enum Session {}

impl Session {
    pub(super) fn accept(_: &TcpStream, identity: &Identity) -> io::Result<Self> {
        match *identity {}
    }

    pub(super) fn call(_: &TcpStream, identity: &Identity, _: &str) -> io::Result<Self> {
        match *identity {}
    }

    pub(super) fn read(&self, _: &TcpStream, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }

    pub(super) fn write_all(&self, _: &TcpStream, _: &[u8]) -> io::Result<()> {
        match *self {}
    }
}
