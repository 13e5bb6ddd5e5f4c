//! What processes take of the machine, and what the machine is.

use std::path::Path;
use std::process::{Command, Stdio};

/// Ticks of `/proc/PID/stat` in a second; every architecture of Linux has this many for programs.
const TICKS: f64 = 100.0;

/// Seconds of CPU that a process has used, its own and the system's on its behalf.
///
/// # Errors
/// That the process is gone, or this is no Linux.
pub(super) fn cpu(process: u32) -> Result<f64, String> {
    let file = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    ticks(&text).map(|ticks| ticks / TICKS).ok_or_else(|| format!("{file} cannot be read; Linux has it"))
}

/// User and system time, the 14th and 15th field; the second, a name in brackets, may hold anything.
fn ticks(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Cores of the machine, whichever of them this process may use.
pub(super) fn cores() -> usize {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines().filter(|line| line.starts_with("processor")).count().max(1)
}

/// All cores, as `taskset` takes them, such as `0-3`.
pub(super) fn online() -> String {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    if text.trim().is_empty() { "0".to_owned() } else { text.trim().to_owned() }
}

/// What the figures were measured on, without its name: processor, cores, memory, compiler.
pub(super) fn shape(root: &Path) -> Vec<String> {
    let read = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).map(str::to_owned);
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
    };
    let processor = read("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = read("/proc/meminfo", "MemTotal")
        .and_then(|text| text.strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map_or_else(|| "unknown memory".to_owned(), |kib| format!("{} GiB of memory", kib / (1024 * 1024)));
    let compiler = Command::new("rustc").arg("--version").current_dir(root).stderr(Stdio::null()).output();
    let compiler = compiler.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    vec![processor, format!("{} cores", cores()), memory, compiler.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(ticks(stat), Some(200.0));
        assert_eq!(ticks("42 (a) S 1"), None);
    }

    #[test]
    fn work_costs_time() {
        let own = std::process::id();
        let before = cpu(own).unwrap();
        let mut sum = 0_u64;
        while cpu(own).unwrap() < before + 0.03 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(cpu(own).unwrap() > before && cpu(u32::MAX).is_err());
    }
}
