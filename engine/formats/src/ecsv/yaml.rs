//! The little YAML that an ECSV head has: strings in double quotes and maps on one line. YAML 1.1 sections 4.1.1, 4.6.11 and 10.2.

/// `{"key": "value", …}`.
pub(super) fn map<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (key, value)) in entries.into_iter().enumerate() {
        out.extend_from_slice(if at > 0 { b", " } else { b"" });
        string(key, out);
        out.extend_from_slice(b": ");
        string(value, out);
    }
    out.push(b'}');
}

/// A string in double quotes on one line; what YAML does not take as it is, by its number.
pub(super) fn string(value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for character in value.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            ' '..='~'
            | '\u{A0}'..='\u{2027}'
            | '\u{202A}'..='\u{D7FF}'
            | '\u{E000}'..='\u{FEFE}'
            | '\u{FF00}'..='\u{FFFD}'
            | '\u{1_0000}'.. => {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => out.extend_from_slice(format!("\\u{:04X}", u32::from(other)).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(value: &str, expect: &str) {
        let mut out = Vec::new();
        super::string(value, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    #[test]
    fn strings_stay_on_one_line() {
        check("plain λ 🪐: # {x}", "\"plain λ 🪐: # {x}\"");
        check("say \"hi\" \\", "\"say \\\"hi\\\" \\\\\"");
        check("a\r\nb\t\u{7f}\u{85}\u{2028}\u{FEFF}", "\"a\\u000D\\u000Ab\\u0009\\u007F\\u0085\\u2028\\uFEFF\"");
    }
}
