//! As much YAML 1.1 as heads of ECSV have: maps and lists, in blocks or in braces, and scalars in either quotes or none. Tags are passed over;
//! anchors and references, by which a small text grows, are not read.

use crate::incoming::quoted;

/// How deep maps and lists may lie in each other.
const DEEPEST: usize = 16;

#[derive(Debug, PartialEq)]
pub(super) enum Yaml {
    Text(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

type Said<T> = Result<T, String>;

impl Yaml {
    /// Reads the head, of which each line has lost its `#` and a space.
    pub(super) fn read(head: &str) -> Said<Self> {
        let is_content = |line: &&str| {
            let line = line.trim();
            !(line.is_empty() || line == "---" || line.starts_with('%') || line.starts_with('#'))
        };
        let lines = head.lines().filter(is_content).map(|line| {
            let text = line.trim_start();
            (line.len() - text.len(), text.to_owned())
        });
        let mut block = Block { lines: lines.collect(), at: 0 };
        let read = block.value(0, 0)?;
        match block.lines.get(block.at) {
            None => Ok(read),
            Some((_, line)) => Err(format!("{:?} stands where nothing is expected", quoted(line))),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Yaml> {
        match self {
            Yaml::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            // !!omap is a list of maps.
            Yaml::List(entries) => entries.iter().find_map(|entry| match entry {
                Yaml::Map(_) => entry.get(key),
                _ => None,
            }),
            Yaml::Text(_) => None,
        }
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Yaml::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Lines with how far they are indented.
struct Block {
    lines: Vec<(usize, String)>,
    at: usize,
}

impl Block {
    fn indent(&self) -> Option<usize> {
        self.lines.get(self.at).map(|(indent, _)| *indent)
    }

    /// The value that begins at this line, which is indented by at least `least`.
    fn value(&mut self, least: usize, depth: usize) -> Said<Yaml> {
        if depth > DEEPEST {
            return Err(format!("it nests deeper than {DEEPEST}"));
        }
        let Some((indent, line)) = self.lines.get(self.at).filter(|(indent, _)| *indent >= least) else {
            return Ok(Yaml::Text(String::new()));
        };
        let indent = *indent;
        if is_item(line) { self.list(indent, depth) } else { self.map(indent, depth) }
    }

    fn list(&mut self, indent: usize, depth: usize) -> Said<Yaml> {
        let mut items = Vec::new();
        while let Some((found, line)) = self.lines.get(self.at) {
            if *found != indent || !is_item(line) {
                break;
            }
            let rest = line[1..].trim_start();
            let inner = indent + line.len() - rest.len();
            let rest = untagged(rest).to_owned();
            if rest.is_empty() {
                self.at += 1;
                items.push(self.value(indent + 1, depth + 1)?);
            } else if is_item(&rest) || key(&rest).is_some() {
                // What stands behind the dash begins a block of its own.
                self.lines[self.at] = (inner, rest);
                items.push(self.value(inner, depth + 1)?);
            } else {
                items.push(self.inline(&rest, indent, depth)?);
            }
        }
        Ok(Yaml::List(items))
    }

    fn map(&mut self, indent: usize, depth: usize) -> Said<Yaml> {
        let mut entries = Vec::new();
        while let Some((found, line)) = self.lines.get(self.at) {
            if *found != indent || is_item(line) {
                break;
            }
            let (name, rest) = key(line).ok_or_else(|| format!("{:?} has no key", quoted(line)))?;
            let rest = untagged(rest).to_owned();
            let value = if rest.is_empty() {
                self.at += 1;
                // A list may stand as far left as the key that it belongs to.
                let least =
                    if self.lines.get(self.at).is_some_and(|(_, line)| is_item(line)) { indent } else { indent + 1 };
                self.value(least, depth + 1)?
            } else if rest.starts_with(['|', '>']) {
                Yaml::Text(self.behind(indent))
            } else {
                self.inline(&rest, indent, depth)?
            };
            entries.push((name, value));
        }
        Ok(Yaml::Map(entries))
    }

    /// A value that begins in this line and goes on in those that are indented further.
    fn inline(&mut self, first: &str, indent: usize, depth: usize) -> Said<Yaml> {
        let mut text = first.to_owned();
        let more = self.behind(indent);
        if !more.is_empty() {
            // A backslash at the end of a line joins it to the next.
            if text.ends_with('\\') {
                text.pop();
            } else {
                text.push(' ');
            }
            text.push_str(&more);
        }
        let mut flow = Flow { rest: &text, depth };
        let value = flow.value(false)?;
        match flow.rest.trim_start() {
            "" => Ok(value),
            rest if rest.starts_with('#') => Ok(value),
            rest => Err(format!("{:?} follows a value", quoted(rest))),
        }
    }

    /// Passes this line and joins those behind it that are indented further.
    fn behind(&mut self, indent: usize) -> String {
        let mut text = String::new();
        self.at += 1;
        while self.indent().is_some_and(|found| found > indent) {
            match text.pop() {
                None | Some('\\') => {}
                Some(last) => text.extend([last, ' ']),
            }
            text.push_str(&self.lines[self.at].1);
            self.at += 1;
        }
        text
    }
}

fn is_item(line: &str) -> bool {
    line == "-" || line.starts_with("- ")
}

fn untagged(text: &str) -> &str {
    match text.strip_prefix('!') {
        Some(tagged) => tagged.split_once(' ').map_or("", |(_, rest)| rest.trim_start()),
        None => text,
    }
}

/// The key of a map's entry that a line begins with, and what stands behind its colon.
fn key(line: &str) -> Option<(String, &str)> {
    if line.starts_with(['"', '\'']) {
        let mut flow = Flow { rest: line, depth: 0 };
        let Ok(Yaml::Text(name)) = flow.value(false) else { return None };
        let rest = flow.rest.trim_start().strip_prefix(':')?;
        return (rest.is_empty() || rest.starts_with(' ')).then(|| (name, rest.trim_start()));
    }
    if line.starts_with(['{', '[', '&', '*']) {
        return None;
    }
    let end = line.find(": ").or_else(|| line.strip_suffix(':').map(str::len))?;
    Some((line[..end].trim_end().to_owned(), line[end + 1..].trim_start()))
}

/// Values on one line.
struct Flow<'a> {
    rest: &'a str,
    depth: usize,
}

impl Flow<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, character: char) -> bool {
        self.skip_space();
        let behind = self.rest.strip_prefix(character);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    fn value(&mut self, in_braces: bool) -> Said<Yaml> {
        self.skip_space();
        self.rest = untagged(self.rest);
        match self.rest.chars().next() {
            Some('{') => self.nested(Self::map),
            Some('[') => self.nested(Self::list),
            Some('"') => self.double_quoted().map(Yaml::Text),
            Some('\'') => self.single_quoted().map(Yaml::Text),
            Some('&' | '*') => Err("anchors and references are not read; write what they stand for".to_owned()),
            _ => Ok(Yaml::Text(self.plain(in_braces))),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Said<Yaml>) -> Said<Yaml> {
        self.rest = &self.rest[1..];
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("it nests deeper than {DEEPEST}"));
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn map(&mut self) -> Said<Yaml> {
        let mut entries = Vec::new();
        while !self.take('}') {
            let Yaml::Text(name) = self.value(true)? else { return Err("a key is no text".to_owned()) };
            let value = if self.take(':') { self.value(true)? } else { Yaml::Text(String::new()) };
            entries.push((name, value));
            self.separate('}')?;
        }
        Ok(Yaml::Map(entries))
    }

    fn list(&mut self) -> Said<Yaml> {
        let mut items = Vec::new();
        while !self.take(']') {
            items.push(self.value(true)?);
            self.separate(']')?;
        }
        Ok(Yaml::List(items))
    }

    fn separate(&mut self, end: char) -> Said<()> {
        let is_end = self.rest.trim_start().starts_with(end);
        if self.take(',') || is_end { Ok(()) } else { Err(format!("{end} is missing before {:?}", quoted(self.rest))) }
    }

    /// Up to what ends it: a colon and a space, in braces also commas and braces, a comment.
    fn plain(&mut self, in_braces: bool) -> String {
        let text = self.rest;
        let ends = |at: usize, c: char| match c {
            ':' => in_braces && text[at + 1..].chars().next().is_none_or(|next| next == ' ' || ",}]".contains(next)),
            ',' | '{' | '}' | '[' | ']' => in_braces,
            '#' => text[..at].ends_with(' '),
            _ => false,
        };
        let end = text.char_indices().find(|(at, c)| ends(*at, *c)).map_or(text.len(), |(at, _)| at);
        self.rest = &text[end..];
        let plain = text[..end].trim();
        if ["null", "~", "Null", "NULL"].contains(&plain) { String::new() } else { plain.to_owned() }
    }

    fn single_quoted(&mut self) -> Said<String> {
        let mut text = String::new();
        loop {
            let (part, behind) = self.rest[1..].split_once('\'').ok_or("a ' is not closed")?;
            text.push_str(part);
            if !behind.starts_with('\'') {
                self.rest = behind;
                return Ok(text);
            }
            text.push('\'');
            self.rest = behind;
        }
    }

    fn double_quoted(&mut self) -> Said<String> {
        let mut text = String::new();
        let mut characters = self.rest[1..].chars();
        loop {
            match characters.next().ok_or("a \" is not closed")? {
                '"' => break,
                '\\' => text.push(escaped(&mut characters).ok_or("an escape is none of YAML's")?),
                other => text.push(other),
            }
        }
        self.rest = characters.as_str();
        Ok(text)
    }
}

/// The character that an escape stands for. YAML 1.1 section 5.6.
fn escaped(characters: &mut std::str::Chars<'_>) -> Option<char> {
    let digits = match characters.next()? {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        'n' => return Some('\n'),
        't' => return Some('\t'),
        'r' => return Some('\r'),
        '0' => return Some('\0'),
        'a' => return Some('\u{7}'),
        'b' => return Some('\u{8}'),
        'e' => return Some('\u{1B}'),
        'f' => return Some('\u{C}'),
        'v' => return Some('\u{B}'),
        'N' => return Some('\u{85}'),
        '_' => return Some('\u{A0}'),
        'L' => return Some('\u{2028}'),
        'P' => return Some('\u{2029}'),
        other @ ('"' | '\\' | '/' | ' ') => return Some(other),
        _ => return None,
    };
    let code = characters.by_ref().take(digits).try_fold(0_u32, |code, digit| Some(code << 4 | digit.to_digit(16)?))?;
    char::from_u32(code)
}
