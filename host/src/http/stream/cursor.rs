//! How far each chain was told, as one short text: `acme:12,globex:40`.

use crate::service::Places;

/// More than any that this host writes.
const CURSOR_MAX_BYTES: usize = 8192;

pub(super) fn written(places: &Places) -> String {
    let places: Vec<_> = places
        .iter()
        .map(|(tenant, seq)| format!("{tenant}:{seq}"))
        .collect();
    places.join(",")
}

pub(super) fn read(text: &str) -> Option<Places> {
    if text.len() > CURSOR_MAX_BYTES {
        return None;
    }
    text.split(',')
        .map(|place| {
            let (tenant, seq) = place.rsplit_once(':')?;
            Some((tenant.parse().ok()?, seq.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let places: Places = [("acme".parse().unwrap(), 12), ("globex".parse().unwrap(), 0)].into();
        assert_eq!(written(&places), "acme:12,globex:0");
        assert_eq!(read("acme:12,globex:0"), Some(places));
    }

    #[test]
    fn what_is_no_cursor_is_none() {
        for text in ["", "acme", "acme:", "acme:-1", ":1", "acme:1,", "../x:1"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
