//! The demo's HTTP client: it knows the service by its URL alone, and the timings by the operation log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;

use crate::error::CommandError;

/// A row of a result, by column.
pub type Row = BTreeMap<String, String>;

/// One link of a DataLink answer.
pub struct Link {
    pub semantics: String,
    pub description: String,
    pub access_url: String,
}

/// What an operation took, in milliseconds.
#[derive(Default)]
pub struct Timings {
    /// Each node's name, rows and time.
    pub nodes: Vec<(String, u64, f64)>,
    pub query_ms: f64,
    pub locate_ms: f64,
    pub merge_ms: f64,
    pub total_ms: f64,
    pub client_ms: f64,
}

/// A client of one service.
pub struct Client {
    agent: ureq::Agent,
    base_url: String,
    log: PathBuf,
}

impl Client {
    /// A client of the service at `base_url`, whose operation log lies in `log`.
    pub fn new(base_url: &str, log: &Path) -> Self {
        Self {
            agent: ureq::Agent::new_with_defaults(),
            base_url: base_url.to_owned(),
            log: log.join("operations.jsonl"),
        }
    }

    /// The rows of a query, by TAP.
    pub fn query(&self, adql: &str) -> Result<(Vec<Row>, Timings), CommandError> {
        let started = Instant::now();
        let url = format!("{}/tap/sync", self.base_url);
        let form = [("LANG", "ADQL"), ("QUERY", adql)];
        let mut response = self.agent.post(&url).send_form(form).map_err(failed(&url))?;
        let document = response.body_mut().read_to_string().map_err(failed(&url))?;
        Ok((table(&document)?, self.timings("query", started)?))
    }

    /// The links of a row.
    pub fn links(&self, access_url: &str) -> Result<Vec<Link>, CommandError> {
        let document = self.text(access_url)?;
        let mut rows = table(&document)?;
        let take = |row: &mut Row, column: &str| row.remove(column).unwrap_or_default();
        let link = |row: &mut Row| Link {
            semantics: take(row, "semantics"),
            description: take(row, "description"),
            access_url: take(row, "access_url"),
        };
        Ok(rows.iter_mut().map(link).collect())
    }

    /// The number of rows behind `#counterpart`.
    pub fn transits(&self, links: &[Link]) -> Result<usize, CommandError> {
        let counterpart = links.iter().find(|link| link.semantics == "#counterpart");
        let url = counterpart.ok_or_else(|| CommandError::Said("the row has no #counterpart".to_owned()))?;
        Ok(table(&self.text(&url.access_url)?)?.len())
    }

    /// Cuts all rows and their transits and merges them into a file.
    pub fn cut(&self, rows: &[Row], output: &Path) -> Result<Timings, CommandError> {
        let started = Instant::now();
        let ids = rows
            .iter()
            .filter_map(|row| row["access_url"].split_once("id=")?.1.split('&').next())
            .map(|id| format!("id={id}"));
        let url =
            format!("{}/datalink/gaiamerger?{}&WITH_TRANSITS=true", self.base_url, ids.collect::<Vec<_>>().join("&"));
        let mut response = self.agent.get(&url).call().map_err(failed(&url))?;
        let mut file = std::fs::File::create(output).map_err(CommandError::file("write", output))?;
        std::io::copy(&mut response.body_mut().as_reader(), &mut file).map_err(CommandError::file("write", output))?;
        self.timings("cut", started)
    }

    fn text(&self, url: &str) -> Result<String, CommandError> {
        let mut response = self.agent.get(url).call().map_err(failed(url))?;
        response.body_mut().read_to_string().map_err(failed(url))
    }

    /// The last line of the operation log about such an operation.
    fn timings(&self, what: &str, started: Instant) -> Result<Timings, CommandError> {
        let client_ms = started.elapsed().as_secs_f64() * 1e3;
        let log = std::fs::read_to_string(&self.log).map_err(CommandError::file("read", &self.log))?;
        let lines = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let Some(line) = lines.into_iter().find(|line| line["what"] == what) else {
            return Ok(Timings { client_ms, ..Timings::default() });
        };
        let ms = |key: &str| line[key].as_f64().unwrap_or_default();
        let node =
            |node: &Value| Some((node["node"].as_str()?.to_owned(), node["rows"].as_u64()?, node["ms"].as_f64()?));
        Ok(Timings {
            nodes: line["nodes"].as_array().into_iter().flatten().filter_map(node).collect(),
            query_ms: ms("query_ms"),
            locate_ms: ms("locate_ms"),
            merge_ms: ms("merge_ms"),
            total_ms: ms("total_ms"),
            client_ms,
        })
    }
}

fn failed(url: &str) -> impl FnOnce(ureq::Error) -> CommandError {
    let url = url.chars().take(200).collect::<String>();
    move |error| CommandError::Said(format!("{url}: {error}"))
}

/// The rows of the first table of a VOTable in TABLEDATA.
fn table(document: &str) -> Result<Vec<Row>, CommandError> {
    let broken = |error: quick_xml::Error| CommandError::Said(format!("the answer is no VOTable: {error}"));
    let mut reader = Reader::from_str(document);
    let (mut fields, mut rows, mut cells, mut cell) = (Vec::new(), Vec::new(), Vec::new(), None::<String>);
    loop {
        match reader.read_event().map_err(broken)? {
            Event::Start(tag) | Event::Empty(tag) if tag.local_name().as_ref() == "FIELD" => {
                let name = tag.try_get_attribute("name").ok().flatten().map(|name| name.value.into_owned());
                fields.push(name.unwrap_or_default());
            }
            Event::Start(tag) if tag.local_name().as_ref() == "TD" => cell = Some(String::new()),
            Event::Empty(tag) if tag.local_name().as_ref() == "TD" => cells.push(String::new()),
            Event::Text(text) => {
                if let Some(cell) = &mut cell {
                    cell.push_str(&text);
                }
            }
            Event::GeneralRef(entity) => {
                if let Some(cell) = &mut cell {
                    cell.push_str(match entity.as_ref() {
                        "amp" => "&",
                        "lt" => "<",
                        "gt" => ">",
                        "quot" => "\"",
                        _ => "'",
                    });
                }
            }
            Event::End(tag) if tag.local_name().as_ref() == "TD" => cells.extend(cell.take()),
            Event::End(tag) if tag.local_name().as_ref() == "TR" => {
                rows.push(fields.iter().cloned().zip(std::mem::take(&mut cells)).collect());
            }
            Event::End(tag) if tag.local_name().as_ref() == "TABLE" => return Ok(rows),
            Event::Eof => return Ok(rows),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_votable_is_read_with_its_entities() {
        let document = "<VOTABLE><RESOURCE><TABLE><FIELD name=\"a\"/><FIELD name=\"url\"/><DATA><TABLEDATA>\
            <TR><TD>1</TD><TD>http://x?id=1&amp;clientId=2</TD></TR><TR><TD/><TD>&lt;</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>";
        let rows = super::table(document).unwrap();
        assert_eq!((rows.len(), rows[0]["url"].as_str()), (2, "http://x?id=1&clientId=2"));
        assert_eq!((rows[1]["a"].as_str(), rows[1]["url"].as_str()), ("", "<"));
    }
}
