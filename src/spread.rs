//! How a program is spread over threads and processes, when it leaves that to its surroundings.

use std::ffi::{OsStr, OsString};

use crate::config::{Cluster, Config, Secret};
use crate::error::ConfigError;

const WORKERS_VARIABLE: &str = "TIDEGATE_WORKERS";
const PROCESS_VARIABLE: &str = "TIDEGATE_PROCESS";
const ADDRESSES_VARIABLE: &str = "TIDEGATE_ADDRESSES";

impl Config {
    /// Spreads the job as the environment says, so that a program can be tried on other numbers of
    /// threads and processes without being built anew.
    ///
    /// `TIDEGATE_WORKERS` is the number of worker threads in this process, `workers` if it is not set.
    /// With `TIDEGATE_ADDRESSES`, one `HOST:PORT` for each process and commas between them, this is
    /// process `TIDEGATE_PROCESS`, from 0, of as many; what they must know to let each other in is
    /// `TIDEGATE_SECRET`, if that is set. What else its [`Cluster`] has been given stays, such as TLS.
    ///
    /// ```
    /// use tidegate::Config;
    ///
    /// let config = Config::new("counts").spread_from_env(2)?;
    /// assert!(config.workers >= 1);
    /// assert!(config.cluster.is_none());
    /// # Ok::<(), tidegate::error::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a variable is not what it should be.
    pub fn spread_from_env(self, workers: usize) -> Result<Self, ConfigError> {
        self.spread(workers, std::env::var_os)
    }

    fn spread(
        mut self,
        workers: usize,
        variable: impl Fn(&'static str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        let number = |name, least, wanted| {
            let Some(text) = variable(name) else { return Ok(None) };
            match text.to_str().and_then(|text| text.parse().ok()) {
                Some(number) if number >= least => Ok(Some(number)),
                _ => Err(wrong(name, &text, wanted)),
            }
        };
        self.workers = number(WORKERS_VARIABLE, 1, "a number from 1 on")?.unwrap_or(workers);
        let process = number(PROCESS_VARIABLE, 0, "the number of this process, from 0")?;
        let Some(text) = variable(ADDRESSES_VARIABLE) else {
            return match process {
                None => Ok(self),
                Some(process) => Err(ConfigError::Variable {
                    name: PROCESS_VARIABLE,
                    value: process.to_string(),
                    wanted: "the number of a process whose addresses TIDEGATE_ADDRESSES has",
                }),
            };
        };
        let addresses: Vec<String> =
            text.to_string_lossy().split(',').map(|address| address.trim().to_owned()).collect();
        match process {
            Some(process) if process < addresses.len() => {
                let given = self.cluster.take().unwrap_or_default();
                let secret = Secret::of_variable(variable(Secret::VARIABLE))?;
                let secret = secret.unwrap_or_else(|| given.secret.clone());
                self.cluster = Some(Cluster { process, addresses, secret, ..given });
                Ok(self)
            }
            _ => Err(wrong(
                ADDRESSES_VARIABLE,
                &text,
                "one HOST:PORT for each process, and TIDEGATE_PROCESS to which of them this is, from 0",
            )),
        }
    }
}

impl Secret {
    /// What a variable says, if it is set.
    pub(crate) fn of_variable(text: Option<OsString>) -> Result<Option<Self>, ConfigError> {
        let Some(text) = text else { return Ok(None) };
        match text.to_str() {
            Some(text) => Ok(Some(Secret::new(text))),
            None => Err(wrong(Secret::VARIABLE, OsStr::new("..."), "a text of UTF-8")),
        }
    }
}

fn wrong(name: &'static str, value: &OsStr, wanted: &'static str) -> ConfigError {
    ConfigError::Variable { name, value: value.to_string_lossy().into_owned(), wanted }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn spread(variables: &[(&str, &str)]) -> Result<Config, String> {
        let value =
            |name: &str| variables.iter().find(|(of, _)| *of == name).map(|(_, value)| value);
        let config = Config::new("spread").spread(2, |name| value(name).map(OsString::from));
        config.map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_set_stays_as_it_is() {
        let config = spread(&[]).expect("nothing is wrong");
        assert_eq!(config.workers, 2);
        assert!(config.cluster.is_none());
        assert_eq!(spread(&[(WORKERS_VARIABLE, "4")]).expect("a number").workers, 4);
    }

    #[test]
    fn a_process_knows_its_number_and_all_addresses() {
        let two = [(ADDRESSES_VARIABLE, "a:1, b:2"), (PROCESS_VARIABLE, "1")];
        let cluster = spread(&two).expect("a cluster").cluster.expect("a cluster");
        assert_eq!((cluster.process, cluster.addresses), (1, vec!["a:1".into(), "b:2".into()]));
    }

    #[test]
    fn what_a_cluster_was_given_stays() {
        let given = Cluster {
            secret: Secret::new("word"),
            join_timeout: Some(Duration::from_secs(7)),
            ..Cluster::default()
        };
        let variables = [(ADDRESSES_VARIABLE, "a:1,b:2"), (PROCESS_VARIABLE, "1")];
        let spread = |variables: &[(&str, &str)]| {
            let value = |name: &str| variables.iter().find(|(of, _)| *of == name);
            let config = Config::new("spread").cluster(given.clone());
            let config = config.spread(2, |name| value(name).map(|(_, value)| value.into()));
            config.expect("nothing is wrong").cluster.expect("a cluster")
        };
        let cluster = spread(&variables);
        assert_eq!(cluster.join_timeout, given.join_timeout);
        assert_eq!((cluster.process, cluster.secret.expose()), (1, &b"word"[..]));
        let cluster = spread(&[&variables[..], &[(Secret::VARIABLE, "other")]].concat());
        assert_eq!(cluster.secret.expose(), b"other");
    }

    #[test]
    fn a_secret_that_is_no_text_is_refused_and_not_shown() {
        use std::os::unix::ffi::OsStringExt;
        let text = OsString::from_vec(vec![b'w', 0xff]);
        let error = Secret::of_variable(Some(text)).expect_err("no text").to_string();
        assert!(error.contains("TIDEGATE_SECRET") && !error.contains("is `w"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_named_with_what_to_do() {
        for (variables, said) in [
            (
                &[(WORKERS_VARIABLE, "0")][..],
                "TIDEGATE_WORKERS is `0`: set it to a number from 1 on",
            ),
            (&[(PROCESS_VARIABLE, "-1")], "TIDEGATE_PROCESS is `-1`"),
            (&[(PROCESS_VARIABLE, "1")], "whose addresses TIDEGATE_ADDRESSES has"),
            (&[(ADDRESSES_VARIABLE, "a:1,b:2")], "and TIDEGATE_PROCESS to which of them"),
            (&[(ADDRESSES_VARIABLE, "a:1,b:2"), (PROCESS_VARIABLE, "2")], "is `a:1,b:2`"),
        ] {
            let error = spread(variables).map(|_| ()).expect_err("it is wrong");
            assert!(error.contains(said), "{variables:?}: {error}");
        }
    }
}
