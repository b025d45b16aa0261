//! Days, hours and minutes of UTC.

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The day of a time in milliseconds since 1970, as `YYYY-MM-DD` (H. Hinnant, *chrono-Compatible
/// Low-Level Date Algorithms*, `civil_from_days`).
///
/// ```
/// use tidegate::workloads::nexmark::day_of;
///
/// assert_eq!(day_of(1_436_918_400_000), "2015-07-15");
/// assert_eq!((day_of(-1), day_of(951_782_400_000)), ("1969-12-31".into(), "2000-02-29".into()));
/// ```
pub fn day_of(time_ms: i64) -> String {
    // Days since 1 March of the year 0: then the day that a leap year has more is the last one.
    let days = time_ms.div_euclid(DAY_MS) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// When the day of a time began, in milliseconds since 1970.
pub(super) fn midnight_before(time_ms: i64) -> i64 {
    time_ms.div_euclid(DAY_MS) * DAY_MS
}

/// The hour of the day.
///
/// ```
/// assert_eq!(tidegate::workloads::nexmark::hour_of(3 * 3_600_000 + 59), 3);
/// ```
pub fn hour_of(time_ms: i64) -> i64 {
    time_ms.rem_euclid(DAY_MS) / HOUR_MS
}

/// The minute of the day, as `HH:MM`.
///
/// ```
/// assert_eq!(tidegate::workloads::nexmark::minute_of(-60_000), "23:59");
/// ```
pub fn minute_of(time_ms: i64) -> String {
    let minutes = time_ms.rem_euclid(DAY_MS) / MINUTE_MS;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
