//! What a job asks of a scheduler, in the words of sbatch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Letters of a name (partition, account, QOS, constraint) at most.
const LONGEST: usize = 64;
/// Nodes, ranks and processors at most.
const MOST: u32 = 100_000;
/// Minutes at most: a year.
const MOST_MINUTES: u32 = 527_040;
/// Jobs that one may wait for.
const MOST_DEPENDENCIES: usize = 100;

/// What a job asks of a scheduler; what is not said is the scheduler's own choice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// The partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The account that it is charged to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The quality of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<String>,
    /// Features that its nodes must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// Minutes that it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
    /// Mebibytes of memory on each node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// Ranks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u32>,
    /// Processors of each rank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus_per_task: Option<u32>,
    /// Our jobs that must have completed before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

impl Resources {
    /// These, and where they say nothing, what `others` say.
    pub fn or(&self, others: &Self) -> Self {
        let (own, others) = (self.clone(), others.clone());
        Self {
            partition: own.partition.or(others.partition),
            account: own.account.or(others.account),
            qos: own.qos.or(others.qos),
            constraint: own.constraint.or(others.constraint),
            minutes: own.minutes.or(others.minutes),
            memory_mib: own.memory_mib.or(others.memory_mib),
            nodes: own.nodes.or(others.nodes),
            tasks: own.tasks.or(others.tasks),
            cpus_per_task: own.cpus_per_task.or(others.cpus_per_task),
            after: if own.after.is_empty() { others.after } else { own.after },
        }
    }

    /// Checks that nothing in it could be taken for something else, and that all numbers are some that a scheduler may have.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        let names = [
            ("partition", &self.partition, ","),
            ("account", &self.account, ""),
            ("qos", &self.qos, ""),
            ("constraint", &self.constraint, "&|*[]()"),
        ];
        for (what, name, more) in names {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c) || more.contains(c);
            let Some(name) = name else { continue };
            if name.is_empty() || name.len() > LONGEST || name.starts_with('-') || !name.chars().all(plain) {
                let shown: String = name.chars().take(LONGEST).collect();
                return Err(format!(
                    "{what} {shown:?} is no name: 1 to {LONGEST} letters, digits and . _ -{}",
                    if more.is_empty() { String::new() } else { format!(" {more}") }
                ));
            }
        }
        let numbers = [
            ("time", self.minutes, MOST_MINUTES),
            ("memory", self.memory_mib, u32::MAX),
            ("nodes", self.nodes, MOST),
            ("tasks", self.tasks, MOST),
            ("cpus-per-task", self.cpus_per_task, MOST),
        ];
        for (what, number, most) in numbers {
            if number.is_some_and(|number| !(1..=most).contains(&number)) {
                return Err(format!("{what} is from 1 to {most}"));
            }
        }
        match self.after.len() > MOST_DEPENDENCIES {
            true => Err(format!("a job waits for {MOST_DEPENDENCIES} others at most")),
            false => Ok(()),
        }
    }

    /// The options of sbatch, but for what it waits for.
    pub(crate) fn options(&self) -> Vec<String> {
        let text = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("--{name}={value}"));
        let number = |name: &str, value: Option<u32>| value.map(|value| format!("--{name}={value}"));
        let options = [
            text("partition", &self.partition),
            text("account", &self.account),
            text("qos", &self.qos),
            text("constraint", &self.constraint),
            number("time", self.minutes),
            number("mem", self.memory_mib).map(|option| option + "M"),
            number("nodes", self.nodes),
            number("ntasks", self.tasks),
            number("cpus-per-task", self.cpus_per_task),
        ];
        options.into_iter().flatten().collect()
    }

    /// The same for slurmrestd, but for what it waits for.
    pub(crate) fn fields(&self) -> BTreeMap<&'static str, serde_json::Value> {
        let text = |value: &Option<String>| value.clone().map(serde_json::Value::from);
        let number = |value: Option<u32>| value.map(serde_json::Value::from);
        let fields = [
            ("partition", text(&self.partition)),
            ("account", text(&self.account)),
            ("qos", text(&self.qos)),
            ("constraints", text(&self.constraint)),
            ("time_limit", number(self.minutes)),
            ("memory_per_node", number(self.memory_mib)),
            ("nodes", self.nodes.map(|nodes| serde_json::json!([nodes, nodes]))),
            ("tasks", number(self.tasks)),
            ("cpus_per_task", number(self.cpus_per_task)),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Minutes, as sbatch takes a time: `90`, `01:30:00`, `2-12`, `2-12:30`.
///
/// # Errors
/// When it is none.
pub fn minutes(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text:?} is no time: minutes, hours:minutes:seconds, or days-hours[:minutes[:seconds]]");
    let (days, rest) = text.split_once('-').map_or((None, text), |(days, rest)| (Some(days), rest));
    let parts = rest.split(':').map(str::parse::<u64>).collect::<Result<Vec<_>, _>>().map_err(|_| wrong())?;
    let seconds = match (days, parts[..].as_ref()) {
        (None, [minutes]) => minutes.checked_mul(60),
        (None, [minutes, seconds]) => minutes.checked_mul(60).and_then(|sum| sum.checked_add(*seconds)),
        (None, [hours, minutes, seconds]) | (Some(_), [hours, minutes, seconds]) => clock(*hours, *minutes, *seconds),
        (Some(_), [hours]) => clock(*hours, 0, 0),
        (Some(_), [hours, minutes]) => clock(*hours, *minutes, 0),
        _ => None,
    };
    let days: u64 = days.map_or(Ok(0), str::parse).map_err(|_| wrong())?;
    let all = seconds.and_then(|seconds| days.checked_mul(86_400)?.checked_add(seconds));
    let minutes = all.map(|seconds| seconds.div_ceil(60)).and_then(|minutes| u32::try_from(minutes).ok());
    minutes.filter(|minutes| *minutes > 0).ok_or_else(wrong)
}

fn clock(hours: u64, minutes: u64, seconds: u64) -> Option<u64> {
    hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)
}

/// Mebibytes, as sbatch takes memory: `4000`, `512M`, `16G`, `1T`.
///
/// # Errors
/// When it is none.
pub fn mebibytes(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text:?} is no memory: 512M, 16G, 1T");
    let (number, factor) = match text.as_bytes().last() {
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 1 << 10),
        Some(b'T' | b't') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(factor).filter(|mebibytes| *mebibytes > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_memories_are_read_as_sbatch_reads_them() {
        let times = [("90", 90), ("90:30", 91), ("1:30:00", 90), ("2-12", 3600), ("1-0:30", 1470), ("0-0:0:1", 1)];
        for (text, expected) in times {
            assert_eq!(minutes(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "-5", "1:2:3:4", "x", "1-2-3", "99999999999999999999", "1.5"] {
            assert!(minutes(text).is_err(), "{text}");
        }
        assert_eq!([mebibytes("512M"), mebibytes("4000"), mebibytes("2G")], [Ok(512), Ok(4000), Ok(2048)]);
        for text in ["", "0", "-1", "G", "5000000G", "1K"] {
            assert!(mebibytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_is_taken_for_an_option() {
        let of = |partition: &str| Resources { partition: Some(partition.to_owned()), ..Resources::default() };
        assert_eq!(of("a,b").check(), Ok(()));
        for hostile in ["", "-w", "a b", "a\nb", "$(reboot)", "a;b", "é", &"x".repeat(65)] {
            assert!(of(hostile).check().is_err(), "{hostile:?}");
        }
        assert!(Resources { tasks: Some(0), ..Resources::default() }.check().is_err());
        let both = Resources { tasks: Some(4), memory_mib: Some(500), ..of("a") };
        assert_eq!(both.options(), ["--partition=a", "--mem=500M", "--ntasks=4"]);
        let or = Resources { tasks: Some(2), ..Resources::default() }.or(&both);
        assert_eq!((or.tasks, or.partition.as_deref()), (Some(2), Some("a")));
    }
}
