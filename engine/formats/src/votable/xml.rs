//! Writing XML: escaped text and attributes.

/// Bytes that can't be copied as they are: markup, white space that parsers normalise, control characters, and 0xEF, which
/// begins the two noncharacters that XML excludes.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        special[byte] = true;
        byte += 1;
    }
    special[b'&' as usize] = true;
    special[b'<' as usize] = true;
    special[b'>' as usize] = true;
    special[b'"' as usize] = true;
    special[0xEF] = true;
    special
};

/// Text, for an element or a quoted attribute. Characters that XML 1.0 can't hold (section 2.2) become U+FFFD.
pub(crate) fn text(value: &str, out: &mut Vec<u8>) {
    let bytes = value.as_bytes();
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        if !SPECIAL[usize::from(bytes[at])] {
            at += 1;
            continue;
        }
        let (replacement, length) = escape(&bytes[at..]);
        if let Some(replacement) = replacement {
            out.extend_from_slice(&bytes[copied..at]);
            out.extend_from_slice(replacement);
            copied = at + length;
        }
        at += length;
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// What to write for the special character these bytes begin with (none: itself), and its length.
fn escape(bytes: &[u8]) -> (Option<&'static [u8]>, usize) {
    match bytes {
        [b'&', ..] => (Some(b"&amp;"), 1),
        [b'<', ..] => (Some(b"&lt;"), 1),
        [b'>', ..] => (Some(b"&gt;"), 1),
        [b'"', ..] => (Some(b"&quot;"), 1),
        [b'\t', ..] => (Some(b"&#9;"), 1),
        [b'\n', ..] => (Some(b"&#10;"), 1),
        [b'\r', ..] => (Some(b"&#13;"), 1),
        [0xEF, 0xBF, 0xBE | 0xBF, ..] => (Some("\u{FFFD}".as_bytes()), 3),
        [0xEF, ..] => (None, 3),
        _ => (Some("\u{FFFD}".as_bytes()), 1),
    }
}

/// ` name="value"`.
pub(crate) fn attribute(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    text(value, out);
    out.push(b'"');
}

/// As [`attribute`], if there is a value.
pub(crate) fn optional_attribute(name: &str, value: Option<&str>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        attribute(name, value, out);
    }
}

/// A DESCRIPTION element, if there is one.
pub(crate) fn description(value: Option<&str>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        out.extend_from_slice(b"<DESCRIPTION>");
        text(value, out);
        out.extend_from_slice(b"</DESCRIPTION>");
    }
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(value: &str, expect: &str) {
        let mut out = Vec::new();
        super::text(value, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    #[test]
    fn markup_and_white_space_survive_a_parser() {
        check("plain λ 🪐 \u{FF5E}", "plain λ 🪐 \u{FF5E}");
        check("a]]>b", "a]]&gt;b");
        check("&<>\"'", "&amp;&lt;&gt;&quot;'");
        check("a\r\nb\t", "a&#13;&#10;b&#9;");
    }

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        check("a\u{0}b\u{1b}[31m", "a\u{FFFD}b\u{FFFD}[31m");
        check("\u{FFFE}x\u{FFFF}", "\u{FFFD}x\u{FFFD}");
    }
}
