//! A cut as data: the plan that goes in and the report that comes out.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One file and the objects wanted from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutFile {
    /// Its name without the extension, which names its group in the merged file.
    pub file_name: String,
    /// Its key in the object store.
    pub location: String,
    /// Its Rucio data identifier, `scope:name`.
    pub did: String,
    /// Its version.
    pub version: i32,
    /// Its MD5, 32 hexadecimal digits.
    pub checksum: String,
    /// Bytes.
    pub size: u64,
    /// Its ETag, where it lies on a server and is to be of that version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The class of its objects.
    pub class: String,
    /// The name of one object without its number.
    pub object: String,
    /// The group that objects with groups of their own are in; the root where it is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Names of objects, where they are not those of a class with numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The numbers of the objects wanted: in their names, of their rows, or of their places in `names`.
    pub ordinals: Vec<i64>,
}

impl CutFile {
    /// The name of the merged table that its rows go into. A table may lie in other groups; in the merged file it does not.
    pub(crate) fn table_name(&self) -> &str {
        self.class.rsplit('/').find(|name| !name.is_empty()).unwrap_or("table")
    }

    /// The name of the group whose columns its objects are packed into.
    pub(crate) fn packed_name(&self) -> &str {
        let group = self.group.rsplit('/').find(|name| !name.is_empty());
        [Some(self.object.as_str()), group].into_iter().flatten().find(|name| !name.is_empty()).unwrap_or("objects")
    }

    /// The name of an object that has a group of its own.
    pub(crate) fn name(&self, ordinal: i64) -> String {
        let named = usize::try_from(ordinal).ok().and_then(|place| self.names.get(place));
        named.cloned().unwrap_or_else(|| format!("{}_{ordinal}", self.object))
    }
}

/// What is taken of objects, and the form it has in the merged file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOptions {
    /// The fields (columns, members and attributes of objects) that are taken; all where there are none.
    pub fields: Vec<String>,
    /// Whether objects with groups of their own become rows of columns.
    pub packed: bool,
    /// The level of deflate, 1 to 9, that columns are compressed with; nothing where they are not.
    pub compression: Option<u8>,
}

/// Ids that objects were chosen by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ids {
    /// Integers.
    Integers(Vec<i64>),
    /// Texts, or integers among which one has more than 63 bits.
    Texts(Vec<String>),
}

impl Default for Ids {
    fn default() -> Self {
        Self::Integers(Vec::new())
    }
}

impl Ids {
    /// Of texts, each once, in their order.
    pub(crate) fn of(mut texts: Vec<String>) -> Self {
        // 007 is another text than 7.
        let integer = |text: &String| text.parse().ok().filter(|number: &i64| number.to_string() == *text);
        if let Some(mut integers) = texts.iter().map(integer).collect::<Option<Vec<i64>>>() {
            integers.sort_unstable();
            integers.dedup();
            return Self::Integers(integers);
        }
        texts.sort_unstable();
        texts.dedup();
        Self::Texts(texts)
    }
}

/// Where a merged file comes from, as the file itself tells. It has no time and no job in it: equal requests give equal
/// bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The query that chose the objects, if one did.
    pub adql: Option<String>,
    /// The ids that chose them, if any did.
    pub ids: Ids,
    /// What the ids are: `source_id`, `id` for row ids, or a field of files that belong to no archive.
    pub id_kind: String,
    /// What was taken of objects, and the form it has.
    pub options: CutOptions,
    /// Whether the sources' transits were added.
    pub with_transits: bool,
    /// The epoch of the archive.
    pub epoch: i64,
    /// Whether the files are those of an archive, by their keys, or any, by their paths and URLs.
    pub archived: bool,
    /// The program and its version.
    pub software: String,
    /// What was dropped and why.
    pub messages: Vec<String>,
}

/// What to cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutPlan {
    /// The files.
    pub files: Vec<CutFile>,
    /// What the merged file says of itself.
    pub provenance: Provenance,
}

impl CutPlan {
    /// The first file of a file's class.
    pub(crate) fn first_of_class<'a>(&'a self, file: &'a CutFile) -> &'a CutFile {
        let first = self.files.partition_point(|other| other.class < file.class);
        self.files.get(first).unwrap_or(file)
    }

    /// What tells this plan from others: equal plans give equal files, with the same version of this program.
    pub fn fingerprint(&self) -> String {
        // Numbers, texts and lists can always be written.
        let written = serde_json::to_vec(&self.clone().canonical()).unwrap_or_default();
        Sha256::digest(&written)[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Puts files and objects into the order of the merged file (class, file, number) and drops doubles, so that equal
    /// requests give equal files.
    pub(crate) fn canonical(mut self) -> Self {
        for file in &mut self.files {
            file.ordinals.sort_unstable();
            file.ordinals.dedup();
        }
        self.files.sort_by(|a, b| (&a.class, &a.file_name, a.version).cmp(&(&b.class, &b.file_name, b.version)));
        self
    }
}

/// What a cut did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CutReport {
    /// Objects in the merged file.
    pub objects: u64,
    /// Files that they come from.
    pub files: u64,
    /// Bytes of the merged file.
    pub bytes_written: u64,
    /// Bytes that the objects' values take in their files; those of objects that are copied one by one are not counted.
    pub bytes_asked: u64,
    /// Bytes read for them, with what lies between.
    pub bytes_read: u64,
    /// Requests that these were read with.
    pub requests: u64,
    /// What the user should know: what was dropped or converted, and why.
    pub messages: Vec<String>,
    /// How long a cut takes that was not made, in milliseconds, judged by a sample of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_ms: Option<f64>,
    /// Copying objects, in milliseconds.
    pub copy_ms: f64,
    /// Writing provenance and closing the file, in milliseconds.
    pub close_ms: f64,
}
