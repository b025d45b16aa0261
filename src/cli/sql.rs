//! `--sink` of databases: which table, and what becomes of rows there.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

#[cfg(feature = "mysql")]
use tidegate::sink::sql::MySql;
#[cfg(feature = "postgres")]
use tidegate::sink::sql::Postgres;
#[cfg(feature = "sqlite")]
use tidegate::sink::sql::Sqlite;
use tidegate::sink::sql::{SqlSink, Upsert};
use tidegate::{Change, DStream, Record};

use super::sink::shards;
use super::source::parts;
#[cfg(feature = "sqlite")]
use super::source::refuse_unknown;

/// A table of a database.
#[derive(Clone, PartialEq)]
pub struct SqlUrl {
    kind: Kind,
    /// The URL without what is said of the table, or the file.
    place: String,
    table: String,
    columns: Option<Vec<String>>,
    /// Rows replace those with their key; without one they are added.
    key: Vec<String>,
    id: Option<String>,
    shards: Option<usize>,
}

/// Those that the program was built with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    #[cfg(feature = "mysql")]
    MySql,
    #[cfg(feature = "postgres")]
    Postgres,
    #[cfg(feature = "sqlite")]
    Sqlite,
}

/// Its place may have a password in it.
impl fmt::Debug for SqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind, self.table)
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

impl SqlUrl {
    /// Understands a URL; what is wrong is said without the URL, for its password.
    pub fn new(url: &str) -> Result<Self, String> {
        let (scheme, _) = url.split_once(':').unwrap_or((url, ""));
        let kind = match scheme {
            #[cfg(feature = "mysql")]
            "mysql" | "mariadb" => Kind::MySql,
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => Kind::Postgres,
            #[cfg(feature = "sqlite")]
            "sqlite" => Kind::Sqlite,
            _ => return Err(format!("there is no database `{scheme}`")),
        };
        let (place, mut parameters) = parts(url)?;
        let table = parameters.remove("table").filter(|table| !table.is_empty());
        let table = table.ok_or("which table? Add `?table=TABLE`")?.to_owned();
        let columns = parameters.remove("columns").map(list);
        let key = parameters.remove("key").map(list).unwrap_or_default();
        match (parameters.remove("mode"), key.is_empty()) {
            (Some("append") | None, true) | (Some("upsert") | None, false) => {}
            (Some("upsert"), true) => {
                return Err("`mode=upsert` needs a key: add `&key=COLUMN`".into());
            }
            (Some("append"), false) => return Err("`mode=append` has no `key`".into()),
            (Some(other), _) => {
                return Err(format!("`mode={other}`: use `append`, or `upsert` with a key"));
            }
        }
        let id = parameters.remove("id").map(str::to_owned);
        let shards = parameters.remove("shards").map(shards).transpose()?;
        let place = place_of(kind, place, &parameters)?;
        Ok(SqlUrl { kind, place, table, columns, key, id, shards })
    }

    /// Whether the table is kept equal to the result.
    pub fn is_upsert(&self) -> bool {
        !self.key.is_empty()
    }

    fn set<DB, F>(&self, mut sink: SqlSink<DB, F>, fail_fast: bool) -> SqlSink<DB, F> {
        if let Some(columns) = &self.columns {
            sink = sink.columns(columns);
        }
        if let Some(id) = &self.id {
            sink = sink.id(id);
        }
        if let Some(shards) = self.shards {
            sink = sink.shards(shards);
        }
        match fail_fast {
            true => sink.patience(Duration::ZERO),
            false => sink,
        }
    }

    fn set_key<DB>(&self, sink: SqlSink<DB, Upsert>, fail_fast: bool) -> SqlSink<DB, Upsert> {
        self.set(sink.key(&self.key), fail_fast)
    }

    /// Ends a stream here, row by row.
    pub fn append<D: Record>(&self, rows: DStream<'_, D>, fail_fast: bool) {
        let (place, table) = (&self.place, &self.table);
        match self.kind {
            #[cfg(feature = "mysql")]
            Kind::MySql => rows.sink(self.set(MySql::append(place, table), fail_fast)),
            #[cfg(feature = "postgres")]
            Kind::Postgres => rows.sink(self.set(Postgres::append(place, table), fail_fast)),
            #[cfg(feature = "sqlite")]
            Kind::Sqlite => rows.sink(self.set(Sqlite::append(place, table), fail_fast)),
        }
    }

    /// Keeps the database's table equal to the one whose changes these are.
    pub fn upsert<D: Record>(&self, rows: DStream<'_, Change<D>>, fail_fast: bool) {
        let (place, table) = (&self.place, &self.table);
        match self.kind {
            #[cfg(feature = "mysql")]
            Kind::MySql => rows.sink(self.set_key(MySql::upsert(place, table), fail_fast)),
            #[cfg(feature = "postgres")]
            Kind::Postgres => rows.sink(self.set_key(Postgres::upsert(place, table), fail_fast)),
            #[cfg(feature = "sqlite")]
            Kind::Sqlite => rows.sink(self.set_key(Sqlite::upsert(place, table), fail_fast)),
        }
    }
}

/// What the database's own client is given: what this program does not know of is left for it.
fn place_of(kind: Kind, place: &str, left: &BTreeMap<&str, &str>) -> Result<String, String> {
    match kind {
        #[cfg(feature = "sqlite")]
        Kind::Sqlite => {
            refuse_unknown(left, "use `table`, `mode`, `key`, `columns`, `id` or `shards`")?;
            match place.strip_prefix("sqlite:") {
                Some(file) if !file.is_empty() => Ok(file.to_owned()),
                _ => Err("which file? Use `sqlite:FILE?table=TABLE`".into()),
            }
        }
        #[cfg(any(feature = "mysql", feature = "postgres"))]
        _ => {
            let place = place.replacen("mariadb:", "mysql:", 1);
            let options = left.iter().map(|(key, value)| format!("{key}={value}"));
            let options = options.collect::<Vec<_>>().join("&");
            Ok(match options.is_empty() {
                true => place,
                false => format!("{place}?{options}"),
            })
        }
    }
}

#[cfg(all(test, feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod tests {
    use super::*;

    #[test]
    fn tables_are_understood() {
        let url = "postgres://me:secret@h:1/shop?table=a.counts&key=x,y&connect_timeout=3";
        let url = SqlUrl::new(url).unwrap();
        assert_eq!((&*url.table, &*url.key), ("a.counts", &list("x,y")[..]));
        assert_eq!(url.place, "postgres://me:secret@h:1/shop?connect_timeout=3");
        assert!(url.is_upsert() && !format!("{url:?}").contains("secret"));

        let url = SqlUrl::new("sqlite:a b.db?table=log&columns=diff,word&id=x").unwrap();
        assert_eq!((&*url.place, url.columns.as_deref()), ("a b.db", Some(&list("diff,word")[..])));
        assert!(!url.is_upsert());
        let url = SqlUrl::new("mariadb://h/shop?table=log&mode=append&shards=2").unwrap();
        assert_eq!((&*url.place, url.shards), ("mysql://h/shop", Some(2)));
    }

    #[test]
    fn what_is_no_table_is_refused_with_a_remedy_and_without_the_url() {
        for (text, remedy) in [
            ("postgres://me:secret@h/shop", "table=TABLE"),
            ("postgres://me:secret@h/shop?table=", "table=TABLE"),
            ("mysql://me:secret@h/shop?table=t&mode=upsert", "key=COLUMN"),
            ("mysql://me:secret@h/shop?table=t&mode=append&key=k", "no `key`"),
            ("mysql://me:secret@h/shop?table=t&mode=replace", "append"),
            ("mysql://me:secret@h/shop?table=t&shards=0", "from 1 on"),
            ("sqlite:?table=t", "sqlite:FILE"),
            ("sqlite:f?table=t&kye=k", "key"),
        ] {
            let error = SqlUrl::new(text).expect_err(text);
            assert!(error.contains(remedy) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
