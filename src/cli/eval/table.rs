//! Reads CSV files with a header line (RFC 4180, without line ends inside of fields).

use std::error::Error;
use std::path::Path;

/// Rows of the named columns, in the order of the names. A column whose name ends in `?` may be missing and then reads as empty.
pub(super) fn read(path: &Path, columns: &[&str]) -> Result<Vec<Vec<String>>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut lines = text.lines();
    let header = fields(lines.next().unwrap_or_default());
    let place = |column: &&str| match header.iter().position(|h| h == column.trim_end_matches('?')) {
        None if !column.ends_with('?') => Err(format!("{}: no column {column}", path.display())),
        found => Ok(found),
    };
    let places = columns.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let row = |line: &str| {
        let fields = fields(line);
        places.iter().map(|at| at.and_then(|at| fields.get(at).cloned()).unwrap_or_default()).collect()
    };
    Ok(lines.filter(|l| !l.trim().is_empty()).map(row).collect())
}

/// The fields of a line; a quoted one may hold commas, and quotes as `""`.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let (mut quoted, mut closed) = (false, false);
    for c in line.chars() {
        let field = fields.last_mut().expect("there is always a field");
        match c {
            '"' if quoted => (quoted, closed) = (false, true),
            '"' if closed => {
                field.push('"'); // the second of two quotes inside of a quoted field
                (quoted, closed) = (true, false);
            }
            '"' => quoted = true,
            ',' if !quoted => {
                fields.push(String::new());
                closed = false;
            }
            c => field.push(c),
        }
    }
    fields.iter().map(|f| f.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes_protect_commas_and_quotes() {
        assert_eq!(super::fields(r#"a, b ,"c, d","say ""e""",,f"#), ["a", "b", "c, d", "say \"e\"", "", "f"]);
    }
}
