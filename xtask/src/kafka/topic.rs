//! Topics as they are named on the command line.

use std::str::FromStr;

/// A topic that is to be created: `NAME:PARTITIONS`, or `NAME` for one with a single partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// What it is called.
    pub name: String,
    /// How many partitions it has.
    pub partitions: u32,
}

impl FromStr for Topic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, partitions) = text.split_once(':').unwrap_or((text, "1"));
        let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if name.is_empty() || !name.chars().all(is_allowed) {
            return Err(format!(
                "topic `{text}`: a name has letters, digits, `.`, `_` and `-`: \
                 use `NAME` or `NAME:PARTITIONS`, such as `lines:4`"
            ));
        }
        match partitions.parse::<u32>() {
            Ok(partitions) if partitions > 0 => Ok(Topic { name: name.to_owned(), partitions }),
            _ => Err(format!(
                "topic `{text}`: `{partitions}` is no number of partitions: \
                 use a whole number from 1, such as `{name}:4`, or `{name}` for one partition"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Topic;

    #[test]
    fn a_topic_has_one_partition_unless_told_otherwise() {
        for (text, name, partitions) in
            [("lines", "lines", 1), ("lines:4", "lines", 4), ("a.b-c_2:12", "a.b-c_2", 12)]
        {
            assert_eq!(text.parse::<Topic>(), Ok(Topic { name: name.to_owned(), partitions }));
        }
    }

    #[test]
    fn what_is_wrong_is_quoted_with_a_remedy() {
        for (text, remedy) in [
            ("", "`NAME:PARTITIONS`"),
            (":4", "`NAME:PARTITIONS`"),
            ("two words", "`NAME:PARTITIONS`"),
            ("lines,clicks", "`NAME:PARTITIONS`"),
            ("lines:", "`lines:4`"),
            ("lines:0", "`lines:4`"),
            ("lines:many", "`lines:4`"),
            ("lines:4:2", "`lines:4`"),
        ] {
            let error = text.parse::<Topic>().expect_err(text);
            assert!(error.contains(&format!("`{text}`")) && error.contains(remedy), "{error}");
        }
    }
}
