//! A page: what all of them have in common.

use super::{Comparison, plot};
use crate::bench::Verdict;
use crate::compare::Machine;

/// What goes in front of markup.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A page that needs nothing but itself, in the reader's light or dark.
pub(super) fn page(title: &str, body: &str) -> String {
    let (title, plots) = (escape(title), plot::style());
    format!(
        "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<title>{title}</title>
<style>
{STYLE}{plots}</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"
    )
}

/// What was measured on.
pub(super) fn machine(machine: &Machine) -> String {
    let Machine { version, build, system, cores } = machine;
    let (build, system) = (escape(build), escape(system));
    format!("<p class=\"soft\">Tidegate {version}, {build} build, {system}, {cores} cores.</p>\n")
}

/// How it compares with an earlier measurement; nothing, if there is none.
pub(super) fn against_earlier(against: &[Comparison]) -> String {
    if against.is_empty() {
        return String::new();
    }
    format!(
        "<h2>Against the earlier measurement</h2>\n<p class=\"soft\">Ratios with the interval in which \
         they lie with a probability of 95 %.</p>\n{}",
        Comparison::table(against).html()
    )
}

/// Whether figures are as good as they should be; nothing, if nothing was asked.
pub(super) fn verdicts(verdicts: &[Verdict]) -> String {
    if verdicts.is_empty() {
        return String::new();
    }
    let line = |verdict: &Verdict| {
        let class = if verdict.holds() { "ok" } else { "miss" };
        let sign = if verdict.at_least { "at least" } else { "at most" };
        let (found, wanted) = (verdict.found, verdict.wanted);
        let question = escape(&verdict.question);
        format!("<li class=\"{class}\">{question}: {found:.2} ({sign} {wanted:.1})</li>\n")
    };
    let lines: String = verdicts.iter().map(line).collect();
    format!("<h2>Verdicts</h2>\n<ul class=\"verdicts\">\n{lines}</ul>\n")
}

/// The names of the lines, each with its colour.
pub(super) fn legend(names: &[(usize, String)]) -> String {
    let entry = |(series, name): &(usize, String)| {
        let colour = plot::series(*series);
        format!("<li><span style=\"background: {colour}\"></span>{}</li>", escape(name))
    };
    let entries: String = names.iter().map(entry).collect();
    format!("<ul class=\"legend\">{entries}</ul>\n")
}

const STYLE: &str = "\
:root { --paper: #ffffff; --ink: #1c2330; --soft: #5b6472; --faint: #dde1e7; --good: #1a7f45;
  --bad: #b3261e; --series-1: #0b62c4; --series-2: #c2410c; --series-3: #15803d;
  --series-4: #7e22ce; --series-5: #a16207; --series-6: #0f766e; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181f; --ink: #e4e8ee; --soft: #9aa4b2;
  --faint: #313947; --good: #5bd08a; --bad: #ff8a80; --series-1: #6cb0ff; --series-2: #ff9a5c;
  --series-3: #6edb8f; --series-4: #cf9bff; --series-5: #f2c94c; --series-6: #5fd6c9; } }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
p { margin: .5rem 0; } .soft { color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--faint);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th { color: var(--soft); font-weight: 600; }
.plot svg { width: 100%; height: auto; max-width: 48rem; display: block; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; padding: 0;
  margin: .5rem 0; font-size: .9rem; }
.legend span { display: inline-block; width: 1.2rem; height: .25rem; margin-right: .4rem;
  vertical-align: middle; border-radius: 2px; }
.verdicts { list-style: none; padding: 0; } .ok::before { content: \"ok \"; color: var(--good); }
.miss::before { content: \"missed \"; color: var(--bad); }
.ok::before, .miss::before { font-weight: 700; }
";
