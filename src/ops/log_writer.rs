//! Writes log lines to standard error from a thread of its own, so that a reader that hangs does not block threads that log.
//!
//! Lines that find the queue full are dropped; their number is logged once there is room again.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Most lines in the queue: some 100 KB.
const LINES: usize = 1_024;

/// Counts shared by the writer thread and the threads that log.
#[derive(Debug, Default)]
struct Counts {
    /// Lines that are queued or being written.
    waiting: AtomicUsize,
    dropped: AtomicUsize,
}

/// Writes a line about so many dropped lines.
pub(super) trait Lost: Fn(&mut dyn Write, usize) -> io::Result<()> + Send + 'static {}

impl<F: Fn(&mut dyn Write, usize) -> io::Result<()> + Send + 'static> Lost for F {}

/// Queues lines and never blocks.
#[derive(Debug)]
pub(super) struct LogWriter {
    lines: SyncSender<Vec<u8>>,
    counts: Arc<Counts>,
}

/// Counts of the process's log, for [`flush`].
static COUNTS: OnceLock<Arc<Counts>> = OnceLock::new();

impl LogWriter {
    /// A writer to standard error. `lost` writes how many lines were dropped.
    pub(super) fn to_stderr(lost: impl Lost) -> io::Result<Self> {
        let writer = Self::new(io::stderr(), lost)?;
        let _only_the_first_counts = COUNTS.set(Arc::clone(&writer.counts));
        Ok(writer)
    }

    fn new(out: impl Write + Send + 'static, lost: impl Lost) -> io::Result<Self> {
        let (lines, queue) = sync_channel(LINES);
        let counts = Arc::<Counts>::default();
        let shared = Arc::clone(&counts);
        thread::Builder::new().name("log".into()).spawn(move || write(out, &lost, &queue, &shared))?;
        Ok(Self { lines, counts })
    }
}

impl Write for LogWriter {
    /// Queues a whole line, or drops it.
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

fn write(mut out: impl Write, lost: &impl Lost, queue: &Receiver<Vec<u8>>, counts: &Counts) {
    while let Ok(line) = queue.recv() {
        // A failure is ignored: there is no other place to report it.
        let _lost = out.write_all(&line);
        counts.waiting.fetch_sub(1, Ordering::SeqCst);
        let dropped = counts.dropped.swap(0, Ordering::SeqCst);
        if dropped > 0 {
            let _lost = lost(&mut out, dropped);
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

    /// Writes once it receives something.
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
    fn a_hanging_reader_blocks_no_writer_and_lost_lines_are_counted() {
        let (may, waits) = mpsc::channel();
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let mut log =
            LogWriter::new(Slow(waits, Arc::clone(&written)), |out, lost| writeln!(out, "{lost} lost")).unwrap();
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
        assert!(text.contains(&format!("{dropped} lost")), "{text}");
    }
}
