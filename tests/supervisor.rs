//! What the process tells a supervisor, and the socket that it takes from one.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Service, binary, is_emulated};

#[test]
fn it_says_ready_alive_and_stopping() {
    let path = std::env::temp_dir().join(format!("faceplate-test-{}-notify", std::process::id()));
    let _left_over = std::fs::remove_file(&path);
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
    let told = || {
        let mut message = [0; 4096];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    let (period, times) = if is_emulated() { ("180000000", 1) } else { ("3000000", 3) };
    let service = Service::spawned(
        binary()
            .args(["serve", "--listen", "127.0.0.1:0", "--workers", "1"])
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", period),
    );
    let ready = told();
    assert!(ready.starts_with("READY=1\nSTATUS=answering on http://127.0.0.1:"), "{ready}");
    for _ in 0..times {
        assert_eq!(told(), "WATCHDOG=1\n");
    }
    assert_eq!(service.stop(), Some(0));
    while told() != "STOPPING=1\n" {}
    std::fs::remove_file(path).unwrap();
}

#[test]
fn it_listens_on_the_socket_that_it_was_given() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // A shell moves the socket from standard input to where sd_listen_fds(3) expects it.
    let mut command = Command::new("sh");
    command.arg("-c").arg("LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3<&0 </dev/null").arg("sh");
    let inner = binary();
    command.arg(inner.get_program()).args(inner.get_args()).args(["serve", "--listen", "127.0.0.1:9"]);
    let service = Service::spawned(command.stdin(Stdio::from(OwnedFd::from(listener))));
    assert_eq!(service.address, address);
    assert_eq!(service.get("/v1/face/pattern/health").status, 200);
    assert_eq!(service.stop(), Some(0));
}
