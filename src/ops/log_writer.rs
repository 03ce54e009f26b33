//! The way of log lines to standard error, by a thread of its own: a reader that hangs keeps nobody waiting who has something to log.
//!
//! Lines that find the queue full are dropped, and how many is told once there is room again.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Lines that wait: some 100 KB.
const LINES: usize = 1_024;

/// What the thread that writes has in common with those that log.
#[derive(Debug, Default)]
struct Counts {
    /// Lines that wait or are being written.
    waiting: AtomicUsize,
    dropped: AtomicUsize,
}

/// Takes lines and never waits.
#[derive(Debug)]
pub(super) struct LogWriter {
    lines: SyncSender<Vec<u8>>,
    counts: Arc<Counts>,
}

/// Those of the process's log, for [`flush`].
static COUNTS: OnceLock<Arc<Counts>> = OnceLock::new();

impl LogWriter {
    /// One to standard error.
    pub(super) fn to_stderr() -> io::Result<Self> {
        let writer = Self::new(io::stderr())?;
        let _only_the_first_counts = COUNTS.set(Arc::clone(&writer.counts));
        Ok(writer)
    }

    fn new(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, queue) = sync_channel(LINES);
        let counts = Arc::<Counts>::default();
        let shared = Arc::clone(&counts);
        thread::Builder::new().name("log".into()).spawn(move || write(out, &queue, &shared))?;
        Ok(Self { lines, counts })
    }
}

impl Write for LogWriter {
    /// Takes a whole line, or drops it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.counts.waiting.fetch_add(1, Ordering::SeqCst);
        if self.lines.try_send(line.to_vec()).is_err() {
            self.counts.waiting.fetch_sub(1, Ordering::SeqCst);
            self.counts.dropped.fetch_add(1, Ordering::SeqCst);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(mut out: impl Write, queue: &Receiver<Vec<u8>>, counts: &Counts) {
    while let Ok(line) = queue.recv() {
        // A reader that has gone changes nothing: nobody else could be told.
        let _lost = out.write_all(&line);
        counts.waiting.fetch_sub(1, Ordering::SeqCst);
        let dropped = counts.dropped.swap(0, Ordering::SeqCst);
        if dropped > 0 {
            let _lost = writeln!(out, "<4>{dropped} lines of the log were dropped: nobody read it");
        }
    }
}

/// Waits until all lines are written, or for `time`.
pub fn flush(time: Duration) {
    let Some(counts) = COUNTS.get() else { return };
    let end = Instant::now() + time;
    while counts.waiting.load(Ordering::SeqCst) > 0 && Instant::now() < end {
        thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;

    /// Writes once it may.
    struct Slow(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _until_it_may = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_hangs_keeps_nobody_waiting_and_lost_lines_are_counted() {
        let (may, waits) = mpsc::channel();
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let mut log = LogWriter::new(Slow(waits, Arc::clone(&written))).unwrap();
        for number in 0..2 * LINES {
            log.write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        let dropped = log.counts.dropped.load(Ordering::SeqCst);
        assert!((LINES - 1..=LINES).contains(&dropped), "{dropped}");
        drop(may);
        while log.counts.waiting.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with("line 0\n"), "{text}");
        assert!(text.contains(&format!("{dropped} lines of the log were dropped")), "{text}");
    }
}
