//! What can't be is refused before anything starts: with what was wrong, what would be right, and
//! exit code 2.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use libtest_mimic::Trial;

use crate::support::free_addresses;
use crate::support::process::tidegate;
use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials![
        "cli";
        wrong_flags_are_refused,
        sources_that_can_not_be_read_are_refused,
        outputs_that_can_not_be_written_are_refused,
        times_and_numbers_that_can_not_be_are_refused,
        clusters_that_can_not_be_are_refused,
        a_port_in_use_is_refused,
        wrong_launches_are_refused,
        what_is_no_report_is_refused,
    ]
}

/// Runs a word count with these arguments in a directory with a file `in.txt`; it must be refused
/// with these texts, and leave everything as it was.
fn refused(arguments: &str, texts: &[&str]) {
    refused_as("run wordcount", arguments, texts);
}

fn refused_as(command: &str, arguments: &str, texts: &[&str]) {
    let place = tempfile::tempdir().expect("a directory");
    let at = place.path();
    fs::write(at.join("in.txt"), "tide gate\ngate\n").expect("written");
    fs::write(at.join("earlier.jsonl"), "{}\n").expect("written");
    fs::write(at.join("one-host"), "127.0.0.1:4000\n").expect("written");
    fs::write(at.join("junk-hosts"), "127.0.0.1:4000\nnowhere\n").expect("written");
    fs::write(at.join("same-hosts"), "127.0.0.1:4000\n127.0.0.1:4000\n").expect("written");
    fs::write(at.join("empty-secret"), "\n").expect("written");
    let mut all = arguments.to_owned();
    if !all.contains("--source") {
        all.push_str(" --source file:in.txt");
    }
    if !all.contains("--sink") {
        all.push_str(" --sink jsonl:out.jsonl");
    }
    if !all.contains("--metrics") {
        all.push_str(" --metrics earlier.jsonl");
    }
    let ended = tidegate(&format!("{command} {all}")).within(at).run();
    let ended = ended.failed(2, texts);
    assert_eq!(ended.stdout, "", "{arguments}");
    assert_untouched(at, arguments);
}

fn assert_untouched(at: &Path, arguments: &str) {
    let earlier = fs::read_to_string(at.join("earlier.jsonl")).expect("still there");
    assert_eq!(earlier, "{}\n", "metrics of an earlier run are gone: {arguments}");
    let output = fs::read_to_string(at.join("out.jsonl")).unwrap_or_default();
    assert_eq!(output, "", "something was written: {arguments}");
    for entry in fs::read_dir(at).expect("a directory").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(!name.contains("probe") && !name.ends_with(".tmp"), "{name} is left: {arguments}");
    }
}

fn wrong_flags_are_refused() {
    refused("--wrokers 2", &["--wrokers", "--workers"]);
    refused("--output everything", &["everything", "snapshots", "changes"]);
    refused("--strategy magic", &["magic", "hash-index"]);
    refused("-q -v", &["--quiet", "--verbose"]);
    refused("--checkpoint-every 5s", &["--checkpoint <DIR>"]);
    refused("--trigger sometimes", &["sometimes", "available-now"]);
    refused("--trigger count:0", &["count:0", "count:N"]);
    refused_as("run wordcont", "", &["wordcont", "wordcount", "clickstream"]);
    refused_as("run nexmark-q23", "", &["nexmark-q23", "nexmark-q0, ..., nexmark-q22"]);
    refused_as("rum wordcount", "", &["rum", "run"]);
    tidegate("run wordcount").run().failed(2, &["--source"]);
    tidegate("generate words --sink null").run().failed(2, &["words", "lines", "clicks"]);
    tidegate("generate lines --sink null --rate 0").run().failed(2, &["`0`", "above 0"]);
    tidegate("generate lines --sink null --rate -3").run().failed(2, &["`-3`", "above 0"]);
    let queries = ["nexmark-q23", "nexmark-q0, ..., nexmark-q22"];
    tidegate("bench --workload nexmark-q23").run().failed(2, &queries);
    let known = ["`nothing`", "no bench has these words", "latency at 200k/s"];
    tidegate("bench latency --quick --only nothing").run().failed(2, &known);
    tidegate("demo --workers 0").run().failed(2, &["'0'", "--workers", "not in 1.."]);
    tidegate("bench all").run().failed(2, &["all", "--help"]);
}

fn sources_that_can_not_be_read_are_refused() {
    refused("--source file:missing.txt", &["missing.txt", "check the path", "No such file"]);
    refused("--source dir:missing", &["missing", "check the path", "No such file"]);
    refused("--source file:.", &["`.` is a directory", "dir:."]);
    refused("--source dir:in.txt", &["`in.txt` is a file", "file:in.txt"]);
    refused("--source file:", &["`file:`", "file:PATH"]);
    refused("--source file:in.txt?follow=maybe", &["follow=maybe", "true"]);
    refused("--source file:in.txt?flow=true", &["flow", "there is no parameter"]);
    refused("--source ftp://host/x", &["ftp://host/x", "kafka://", "file:"]);
    refused("--source kafka://localhost/t", &["localhost", "kafka://HOST:PORT/TOPIC"]);
    refused("--source kafka://localhost:port/t", &["localhost:port", "HOST:PORT"]);
    refused("--source kafka://localhost:0/t", &["localhost:0", "HOST:PORT"]);
    refused("--source kafka://localhost:9092", &["kafka://localhost:9092", "TOPIC"]);
    refused("--source kafka://localhost:9092/t?group=", &["`group=`", "group=NAME"]);
    refused("--source kafka://localhost:9092/t?start=noon", &["start=noon", "earliest"]);
    refused("--source tcp://localhost", &["tcp://localhost", "tcp://HOST:PORT"]);
    refused("--source tcp://localhost:99999", &["localhost:99999", "HOST:PORT"]);
    refused("--source generate:records=5", &["generate:records=5", "`generate:?records=5`"]);
    refused("--source generate:foo", &["generate:foo", "generate:?records=N"]);
    refused("--source generate:?rate=0", &["`0`", "above 0"]);
    refused("--source generate:?rate=NaN", &["NaN", "above 0"]);
    refused("--source generate:?records=-1", &["records=-1", "whole number"]);
    refused("--source generate:?partitions=0", &["partitions=0", "from 1 on"]);
    refused("--source generate:?seed=1.5", &["seed=1.5", "whole number"]);
    refused("--source generate --trigger available-now", &["never ends", "number of records"]);
    let nobody = free_addresses(1).remove(0);
    let source = format!("--source tcp://{nobody} --fail-fast");
    refused(&source, &[&nobody, "does something listen there?"]);
}

fn outputs_that_can_not_be_written_are_refused() {
    // Below a file there is no directory.
    refused("--sink jsonl:in.txt/x", &["in.txt", "can't write", "check the path"]);
    refused("--sink text:in.txt/x", &["in.txt", "can't write", "check the path"]);
    refused("--sink text:out/", &["`out/`", "out/counts"]);
    refused("--sink jsonl:", &["`jsonl:`", "jsonl:PATH"]);
    refused("--sink jsonl:out.jsonl?x=1", &["`x`", "there is no parameter", "jsonl:FILE"]);
    refused("--sink text:x?sufix=txt", &["sufix=txt", "suffix="]);
    refused("--sink parquet:x", &["parquet:x", "jsonl:"]);
    refused("--sink kafka://localhost:9092/a,b", &["a,b", "one topic"]);
    let twice = "give each a file of its own";
    refused("--sink jsonl:in.txt", &["`in.txt`", "--source", "--sink", twice]);
    refused("--sink jsonl:./in.txt", &["in.txt", "--source", "--sink", twice]);
    refused("--sink jsonl:out.jsonl --sink jsonl:./out.jsonl", &["out.jsonl", twice]);
    refused("--sink text:out --sink text:out", &["`out-TIME`", twice]);
    refused("--sink jsonl:m --metrics m", &["`m`", "--sink", "--metrics", twice]);
    refused("--dead-letters in.txt", &["in.txt", "--source", "--dead-letters", twice]);
    refused("--metrics in.txt/m", &["in.txt/m", "metrics", "check the path"]);
    refused("--dead-letters in.txt/d", &["in.txt", "can't write", "check the path"]);
}

fn times_and_numbers_that_can_not_be_are_refused() {
    refused("--interval 0s", &["interval of 0ns", "1 ms to 1 h"]);
    refused("--interval 2h", &["7200s", "1 ms to 1 h"]);
    refused("--interval soon", &["soon", "--interval"]);
    refused("--for soon", &["soon", "--for"]);
    refused("--workers 0", &["'0'", "--workers", "not in 1.."]);
    refused("--workers two", &["two", "--workers"]);
    refused("--in-flight 0", &["'0'", "--in-flight", "not in 1.."]);
    refused("--queue-mib 0", &["'0'", "--queue-mib", "not in 1.."]);
    refused("--queue-mib 17592186044416", &["--queue-mib", "not in 1..=17592186044415"]);
    refused("--records-per-partition 0", &["'0'", "--records-per-partition", "not in 1.."]);
    refused("--max-rate-per-partition 0", &["--max-rate-per-partition", "`0`", "above 0"]);
    refused("--max-rate-per-partition -1", &["--max-rate-per-partition", "`-1`", "above 0"]);
    refused("--backpressure --initial-rate -1", &["--initial-rate", "`-1`", "above 0"]);
    refused("--backpressure --initial-rate 0", &["--initial-rate", "`0`", "above 0"]);
    refused("--backpressure --trigger available-now", &["cut by time", "`interval`"]);
    refused("--first-batch-records 0", &["'0'", "--first-batch-records", "not in 1.."]);
    let windows = |arguments: &str, texts: &[&str]| {
        refused_as("run windowed-wordcount", arguments, texts);
    };
    windows("--slide 1500ms", &["slide of 1.5s", "no multiple", "1s or 2s"]);
    windows("--window 2500ms --slide 1s", &["length of 2.5s", "2s or 3s"]);
    windows("--window 500ms", &["length of 500ms", "use 1s"]);
    windows("--window 0s", &["length of 0", "one batch interval"]);
    windows("--slide 0s", &["slide of 0", "one batch interval"]);
}

fn clusters_that_can_not_be_are_refused() {
    refused("-n 0", &["--processes 0", "1 or more"]);
    refused("-n 2 -p 2", &["--process 2", "from 0 to 1"]);
    refused("-p 1", &["--process 1", "from 0 to 0"]);
    refused("-H one-host", &["`--hostfile`", "`--processes`"]);
    refused("--secret-file one-host", &["`--secret-file`", "`--processes`"]);
    let tls = "--tls-ca one-host --tls-certificate one-host --tls-key one-host";
    refused(tls, &["`--tls-ca`", "`--processes`"]);
    refused("-n 2 -H missing", &["missing", "host file", "No such file"]);
    refused("-n 2 -H one-host", &["one-host", "1 address for 2 processes", "HOST:PORT"]);
    refused("-n 2 -H junk-hosts", &["`nowhere`", "junk-hosts", "HOST:PORT"]);
    refused("-n 2 -H same-hosts", &["127.0.0.1:4000", "twice", "of its own"]);
    refused("-n 2 --secret-file missing", &["missing", "secret file", "No such file"]);
    refused("-n 2 --secret-file empty-secret", &["empty-secret", "is empty", "the same secret"]);
}

fn a_port_in_use_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let hosts = tempfile::NamedTempFile::new().expect("a file");
    let other = free_addresses(1).remove(0);
    fs::write(hosts.path(), format!("{address}\n{other}\n")).expect("written");
    let arguments = format!("-n 2 -p 0 -H {}", hosts.path().display());
    refused(&arguments, &[&address, "is the port in use"]);
}

/// Runs a command that must be refused with this text, once for all of its processes.
fn refused_once(command: &str, text: &str) {
    let ended = tidegate(command).run().failed(2, &[text]);
    assert_eq!(ended.stderr.matches("error: ").count(), 1, "{command}: {}", ended.stderr);
}

fn wrong_launches_are_refused() {
    tidegate("launch -n 0 run wordcount").run().failed(2, &["--processes 0", "1 or more"]);
    tidegate("launch -n 2").run().failed(2, &["COMMAND"]);
    refused_once("launch -n 2 run wordcont", "wordcont");
    refused_once("launch -n 2 -w 0 run wordcount --source generate", "--workers");
    refused_once("launch -n 2 run wordcount --source generate -n 3", "give it before `run`");
    refused_once("launch -n 2 run wordcount --source generate -w 3", "`--workers` behind `run`");
    refused_once("launch -n 2 run wordcount --source generate -p 1", "`launch` numbers them");
    refused_once("launch -n 2 run wordcount --source generate -H hosts", "as `--hosts`");
    refused_once("launch -n 2 demo", "`demo` is no job");
    refused_once("launch -n 2 report r.json", "`report` is no job");
    let missing = ["missing.txt", "check the path", "did not start"];
    refused_as("launch -n 2 run wordcount", "--source file:missing.txt", &missing);
}

fn what_is_no_report_is_refused() {
    let place = tempfile::tempdir().expect("a directory");
    fs::write(place.path().join("lines.tgr"), [b'T', 0xff, 0xfe]).expect("written");
    fs::write(place.path().join("rows"), "{\"bench\":\"sessions\"}\n").expect("written");
    for file in ["lines.tgr", "rows"] {
        let ended = tidegate(&format!("report {file}")).within(place.path()).run();
        ended.failed(2, &[file, "is no report", "tidegate compare --json", "for a grid"]);
    }
}
