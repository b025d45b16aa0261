//! One node in KRaft mode, on loopback, with a directory of its own.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use tempfile::TempDir;

use super::{Jars, Topic};
use crate::daemon::Daemon;

/// A broker that is stopped, and whose data is removed, when this is dropped.
#[derive(Debug)]
pub struct Broker {
    jars: Jars,
    daemon: Daemon,
    home: TempDir,
}

impl Broker {
    /// Starts a broker on `port`, or on a free one if that is 0, and waits until it answers.
    ///
    /// # Errors
    ///
    /// If it does not come up: the text has the end of its log.
    pub fn start(jars: &Jars, port: u16) -> Result<Self, String> {
        Broker::start_as(jars, port, None)
    }

    /// The same on a free port, for clients that are to come by `address`: a proxy's.
    ///
    /// # Errors
    ///
    /// As [`Broker::start`].
    pub fn start_behind(jars: &Jars, address: SocketAddr) -> Result<Self, String> {
        Broker::start_as(jars, 0, Some(address))
    }

    fn start_as(jars: &Jars, port: u16, advertised: Option<SocketAddr>) -> Result<Self, String> {
        let system = |what: &str, error: std::io::Error| format!("can't {what}: {error}");
        let home = TempDir::with_prefix("tidegate-kafka-")
            .map_err(|e| system("make a directory for the broker", e))?;
        // Both are held until both are found, so that they differ.
        let client = TcpListener::bind(("127.0.0.1", port))
            .map_err(|e| system(&format!("use port {port} for the broker"), e))?;
        let controller =
            TcpListener::bind("127.0.0.1:0").map_err(|e| system("find a free port", e))?;
        let address = client.local_addr().map_err(|e| system("find a free port", e))?;
        let inner = controller.local_addr().map_err(|e| system("find a free port", e))?;
        drop((client, controller));

        let config = home.path().join("server.properties");
        let data = home.path().join("data");
        let text = PROPERTIES
            .replace("ADVERTISED", &advertised.unwrap_or(address).to_string())
            .replace("CLIENT", &address.to_string())
            .replace("CONTROLLER_ADDRESS", &inner.to_string())
            .replace("DATA", &data.display().to_string());
        fs::write(&config, text).map_err(|e| system("write the broker's configuration", e))?;
        let mut format = jars.java("kafka.tools.StorageTool");
        format.args(["format", "-t", CLUSTER_ID, "-c"]).arg(&config);
        let output = format.output().map_err(|e| system("run Java", e))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("the broker's storage can't be made: {said}"));
        }
        let daemon = Daemon::new("the broker", address, home.path().join("log"));
        let mut broker = Broker { jars: jars.clone(), daemon, home };
        broker.resume()?;
        Ok(broker)
    }

    /// Its `HOST:PORT`.
    pub fn address(&self) -> String {
        self.daemon.address().to_string()
    }

    /// Where it listens.
    pub fn socket(&self) -> SocketAddr {
        self.daemon.address()
    }

    /// Ends the broker's process as a crash would; its data stays.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Starts the broker again after [`Broker::kill`], on the same port with the same data.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn resume(&mut self) -> Result<(), String> {
        let mut command = self.jars.java("kafka.Kafka");
        command.arg(self.home.path().join("server.properties"));
        self.daemon.start(command)
    }

    /// Creates a topic: the broker makes none by itself.
    ///
    /// # Errors
    ///
    /// If Java can't be run, or the broker refuses, as it does if the topic is there: the text has its
    /// reason.
    pub fn create(&self, topic: &Topic) -> Result<(), String> {
        let Topic { name, partitions } = topic;
        let mut tool = self.tool("TopicCommand");
        tool.args(["--create", "--topic", name, "--partitions", &partitions.to_string()]);
        let output = tool.output().map_err(|e| format!("can't run Java: {e}"))?;
        if !output.status.success() {
            // The reason is on its standard output, the trace of the exception on the other.
            let said = String::from_utf8_lossy(&output.stdout);
            return Err(format!("topic `{name}` can't be created: {}", said.trim()));
        }
        Ok(())
    }

    /// One of Kafka's own tools, ready to be given more arguments: a class of
    /// `org.apache.kafka.tools`, such as `TopicCommand`.
    pub fn tool(&self, class: &str) -> Command {
        let mut command = self.jars.java(&format!("org.apache.kafka.tools.{class}"));
        command.args(["--bootstrap-server", &self.address()]);
        command
    }
}

/// Any will do, as long as the data is only its own.
const CLUSTER_ID: &str = "dGlkZWdhdGUtdGVzdC1jbA";

const PROPERTIES: &str = "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@CONTROLLER_ADDRESS
listeners=PLAINTEXT://CLIENT,CONTROLLER://CONTROLLER_ADDRESS
advertised.listeners=PLAINTEXT://ADVERTISED
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=DATA
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.segment.bytes=134217728
";
