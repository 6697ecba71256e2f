//! What is printed, as Markdown: a table of milliseconds and ratios for each cut, what indexes cost, and the goals.

use std::fmt::Write;

/// One line of a table.
pub struct Line {
    pub who: String,
    pub seconds: f64,
    /// Megabytes and requests, where they are known.
    pub read: Option<(f64, u64)>,
}

impl Line {
    pub fn new(who: impl Into<String>, seconds: f64) -> Self {
        Self { who: who.into(), seconds, read: None }
    }

    pub fn reading(self, bytes: u64, requests: u64) -> Self {
        Self { read: Some((bytes as f64 / 1e6, requests)), ..self }
    }
}

/// All that was measured.
#[derive(Default)]
pub struct Report {
    pub text: String,
    goals: Vec<String>,
}

impl Report {
    /// A table whose first line is ours.
    pub fn table(&mut self, title: &str, lines: &[Line]) {
        let own = lines.first().map_or(1.0, |line| line.seconds);
        let mut text =
            format!("\n### {title}\n\n| who | ms | times ours | MB read | requests |\n|---|--:|--:|--:|--:|\n");
        for line in lines {
            let (read, requests) = line.read.map_or((String::new(), String::new()), |(megabytes, requests)| {
                (format!("{megabytes:.2}"), requests.to_string())
            });
            let (milliseconds, ratio) = (line.seconds * 1e3, line.seconds / own);
            let _ = writeln!(text, "| {} | {milliseconds:.2} | {ratio:.2} | {read} | {requests} |", line.who);
        }
        self.say(&text);
    }

    /// Notes a goal: `found` is to be at least `wanted`, or at most where that is said.
    pub fn goal(&mut self, what: &str, found: f64, wanted: f64, at_least: bool) {
        let met = if at_least { found >= wanted } else { found <= wanted };
        let (word, met) = (if at_least { "at least" } else { "at most" }, if met { "met" } else { "**missed**" });
        self.goals.push(format!("| {what} | {found:.2} | {word} {wanted} | {met} |"));
    }

    /// What the indexes cost: seconds, bytes, and after how many cuts of so many objects they have paid.
    pub fn index(&mut self, who: &str, seconds: f64, bytes: Option<u64>, paid: &[(usize, f64)]) {
        let bytes = bytes.map_or("in memory".to_owned(), |bytes| format!("{:.2} MB", bytes as f64 / 1e6));
        let paid = paid.iter().map(|(objects, saved)| match *saved > 0.0 {
            true => format!("{:.0} cuts of {objects}", (seconds / saved).ceil()),
            false => format!("never by cuts of {objects}"),
        });
        let paid = paid.collect::<Vec<_>>().join(", ");
        self.say(&format!("- index by {who}: {seconds:.2} s, {bytes}; it has paid after {paid}\n"));
    }

    pub fn say(&mut self, text: &str) {
        print!("{text}");
        self.text.push_str(text);
    }

    /// Ends with the goals.
    pub fn finish(mut self) -> String {
        let goals = self.goals.join("\n");
        self.say(&format!("\n### Goals\n\n| goal | found | wanted | |\n|---|--:|--:|---|\n{goals}\n"));
        self.text
    }
}
