//! Lines of blocks, as high as what they stand for.

/// From nothing to the most.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One block for each value, as a part of `most`; a gap where nothing is known.
pub(crate) fn spark(values: &[Option<f64>], most: f64) -> String {
    let block = |value: &Option<f64>| match value {
        None => ' ',
        Some(value) if most > 0.0 => {
            let eighths = (value / most * LEVELS.len() as f64).ceil();
            LEVELS[(eighths.clamp(1.0, LEVELS.len() as f64) as usize) - 1]
        }
        Some(_) => LEVELS[0],
    };
    values.iter().map(block).collect()
}

/// The least and the most of what is known.
pub(crate) fn range(values: &[Option<f64>]) -> Option<(f64, f64)> {
    let known = values.iter().flatten();
    known.fold(None, |range, value| match range {
        None => Some((*value, *value)),
        Some((least, most)) => Some((value.min(least), value.max(most))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_high_as_their_part_and_gaps_stay_gaps() {
        let values = [Some(0.0), Some(1.0), None, Some(4.5), Some(8.0), Some(9.0)];
        assert_eq!(spark(&values, 8.0), "▁▁ ▅██");
        assert_eq!(spark(&[Some(0.0), None], 0.0), "▁ ");
        assert_eq!(range(&values), Some((0.0, 9.0)));
        assert_eq!(range(&[None]), None);
    }
}
