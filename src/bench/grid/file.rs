//! What was measured, as lines of JSON: a header, and a line for each thing that is done; so that what
//! was interrupted can be resumed.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Cell, Grid, GridError, Instructions, Run, Saturation};
use crate::compare::Machine;

/// What a file begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GridHeader {
    /// What kind of report it is: `bench`.
    pub kind: String,
    /// The version of its form: 1.
    pub version: u32,
    /// What was measured where.
    pub machine: Machine,
    /// What is measured.
    pub grid: Grid,
}

/// A line behind the header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// A run of a cell.
    Run(Run),
    /// The highest rate that a job can keep up with.
    Saturation(Saturation),
    /// What a job executes for a record.
    Instructions(Instructions),
}

/// All that a file says.
#[derive(Clone, Debug, PartialEq)]
pub struct GridReport {
    /// Where and what.
    pub header: GridHeader,
    /// The runs, in the order in which they were done.
    pub runs: Vec<Run>,
    /// The highest rates.
    pub saturations: Vec<Saturation>,
    /// What was executed for a record.
    pub instructions: Vec<Instructions>,
}

impl GridReport {
    /// The kind of every such report.
    pub const KIND: &str = "bench";

    fn new(grid: &Grid) -> Self {
        let (kind, machine) = (Self::KIND.to_owned(), Machine::this());
        let header = GridHeader { kind, version: 1, machine, grid: grid.clone() };
        GridReport::empty(header)
    }

    fn empty(header: GridHeader) -> Self {
        let (runs, saturations, instructions) = (Vec::new(), Vec::new(), Vec::new());
        GridReport { header, runs, saturations, instructions }
    }

    /// Reads what was written; a last line that is not whole is left out.
    ///
    /// # Errors
    ///
    /// What is wrong, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.split_inclusive('\n');
        let first = lines.next().ok_or("it is empty")?;
        let header: GridHeader = serde_json::from_str(first).map_err(|error| error.to_string())?;
        if (&*header.kind, header.version) != (Self::KIND, 1) {
            return Err(format!("it is of kind `{}`, version {}", header.kind, header.version));
        }
        let mut report = GridReport::empty(header);
        for (number, line) in lines.enumerate().filter(|(_, line)| line.ends_with('\n')) {
            let line = serde_json::from_str(line)
                .map_err(|error| format!("its line {}: {error}", number + 2))?;
            report.add(line);
        }
        Ok(report)
    }

    fn add(&mut self, line: Line) {
        match line {
            Line::Run(run) => self.runs.push(run),
            Line::Saturation(found) => self.saturations.push(found),
            Line::Instructions(found) => self.instructions.push(found),
        }
    }

    pub(super) fn has_run(&self, cell: &Cell, repeat: usize) -> bool {
        self.runs.iter().any(|run| run.cell == *cell && run.repeat == repeat)
    }

    pub(super) fn has_saturation(&self, shape: &Cell) -> bool {
        self.saturations.iter().any(|found| found.cell.shape() == shape.shape())
    }

    pub(super) fn has_instructions(&self, shape: &Cell) -> bool {
        self.instructions.iter().any(|found| found.cell == *shape)
    }
}

/// A report that grows, in a file if there is one.
pub struct GridFile {
    report: GridReport,
    file: Option<(PathBuf, File)>,
}

impl GridFile {
    /// One that is kept in memory.
    pub fn nowhere(grid: &Grid) -> Self {
        GridFile { report: GridReport::new(grid), file: None }
    }

    /// A new file; or, to resume, what is there already of the same grid.
    ///
    /// # Errors
    ///
    /// If the file can't be written, or is of another grid or another machine.
    pub fn open(path: &Path, grid: &Grid, resume: bool) -> Result<Self, GridError> {
        let wrong = |why: String| GridError::File { path: path.to_owned(), why };
        let failed = |error: std::io::Error| wrong(error.to_string());
        if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
            std::fs::create_dir_all(above).map_err(failed)?;
        }
        let open = |truncate: bool| {
            let mut options = OpenOptions::new();
            options.create(true).read(true).write(true).truncate(truncate).open(path)
        };
        let mut report = GridReport::new(grid);
        if resume && path.exists() {
            let text = std::fs::read_to_string(path).map_err(failed)?;
            let found = GridReport::parse(&text)
                .map_err(|why| wrong(format!("{why}; without `--resume` it is begun anew")))?;
            // Instructions can be counted later.
            let grid = Grid { instructions: grid.instructions, ..found.header.grid };
            if (GridHeader { grid, ..found.header }) != report.header {
                return Err(wrong(
                    "it is of another grid, build or machine: give the same flags, another file, or \
                     no `--resume`, which begins it anew"
                        .into(),
                ));
            }
            report = GridReport { header: report.header, ..found };
            let mut file = open(false).map_err(failed)?;
            // Behind the last whole line.
            let whole = text.rfind('\n').map_or(0, |at| at + 1) as u64;
            file.set_len(whole).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
            return Ok(GridFile { report, file: Some((path.to_owned(), file)) });
        }
        let file = open(true).map_err(failed)?;
        let mut opened = GridFile { report, file: Some((path.to_owned(), file)) };
        let header = serde_json::to_string(&opened.report.header);
        opened.write(&header.map_err(|error| wrong(error.to_string()))?)?;
        Ok(opened)
    }

    /// What there is so far.
    pub fn report(&self) -> &GridReport {
        &self.report
    }

    pub(super) fn add(&mut self, line: Line) -> Result<(), GridError> {
        let wrong = |error: serde_json::Error| GridError::File {
            path: self.file.iter().map(|(path, _)| path.clone()).collect(),
            why: error.to_string(),
        };
        let text = serde_json::to_string(&line).map_err(wrong)?;
        // As it will be read again: figures are written with fewer digits.
        let line = serde_json::from_str(&text).map_err(wrong)?;
        self.write(&text)?;
        self.report.add(line);
        Ok(())
    }

    fn write(&mut self, line: &str) -> Result<(), GridError> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        writeln!(file, "{line}")
            .and_then(|()| file.flush())
            .map_err(|error| GridError::File { path: path.clone(), why: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_there_again_and_half_a_line_is_not() {
        let place = tempfile::tempdir().unwrap();
        let (path, grid) = (place.path().join("here/out.json"), Grid::quick());
        let cell = grid.cells()[0].clone();
        let run = Run { cell: cell.clone(), repeat: 0, ..Run::default() };
        let mut file = GridFile::open(&path, &grid, false).unwrap();
        file.add(Line::Run(run.clone())).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}{{\"run\":{{")).unwrap();
        let mut again = GridFile::open(&path, &grid, true).unwrap();
        assert!(again.report().has_run(&cell, 0) && !again.report().has_run(&cell, 1));
        again.add(Line::Run(Run { repeat: 1, ..run })).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(GridReport::parse(&text).unwrap().runs.len(), 2);
        // Instructions may be counted later.
        let counting = Grid { instructions: true, ..grid };
        let again = GridFile::open(&path, &counting, true).unwrap();
        assert_eq!((again.report().runs.len(), &again.report().header.grid), (2, &counting));
        // Of another grid nothing is taken, and nothing is overwritten.
        let other = GridFile::open(&path, &Grid::full(), true).map(drop).unwrap_err();
        assert!(other.to_string().contains("another grid"), "{other}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}
