//! What the server offered in its latest answer to EHLO, read naively.

#[derive(Debug, Default)]
pub(super) struct Offered {
    /// Keywords in upper case with their parameters.
    lines: Vec<(String, String)>,
}

impl Offered {
    /// From the text of the reply; what the caller wants to know nothing of is left out.
    pub(super) fn read(text: &[u8], ignored: &[&str]) -> Self {
        let mut lines = Vec::new();
        for line in text.split(|&octet| octet == b'\n').skip(1) {
            let line: String = line.iter().map(|&octet| char::from(octet)).collect();
            let line = line.trim_matches([' ', '\t']);
            let (keyword, parameters) = match line.get(..5) {
                Some(start) if start.eq_ignore_ascii_case("AUTH=") => ("AUTH", &line[5..]),
                _ => line.split_once([' ', '\t']).unwrap_or((line, "")),
            };
            let keyword = keyword.to_ascii_uppercase();
            if !keyword.is_empty() && !ignored.iter().any(|ignored| ignored.eq_ignore_ascii_case(&keyword)) {
                lines.push((keyword, parameters.to_owned()));
            }
        }
        Self { lines }
    }

    pub(super) fn has(&self, keyword: &str) -> bool {
        self.lines.iter().any(|(listed, _)| listed == keyword)
    }

    pub(super) fn has_mechanism(&self, name: &str) -> bool {
        let auth = self.lines.iter().filter(|(listed, _)| listed == "AUTH");
        auth.flat_map(|(_, mechanisms)| mechanisms.split([' ', '\t']))
            .any(|listed| listed.eq_ignore_ascii_case(name))
    }

    /// The number that is all there is behind a keyword, or behind a keyword and a name; unless it is 0.
    pub(super) fn number(&self, keyword: &str, name: &str) -> Option<u64> {
        let (_, parameters) = self.lines.iter().rfind(|(listed, _)| listed == keyword)?;
        let digits = |value: &str| {
            let known = !value.is_empty() && value.bytes().all(|octet| octet.is_ascii_digit());
            known.then(|| value.parse().ok()).flatten().filter(|&number| number != 0)
        };
        if name.is_empty() {
            return digits(parameters);
        }
        let pairs = parameters.split([' ', '\t']).filter_map(|parameter| parameter.split_once('='));
        pairs
            .filter(|(given, _)| given.eq_ignore_ascii_case(name))
            .filter_map(|(_, value)| digits(value))
            .min()
    }
}
