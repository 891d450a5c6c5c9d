//! TCP and Unix sockets under one roof, as far as a sink needs them.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A listening socket.
pub(super) enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix {
        listener: UnixListener,
        _directory: UnixDirectory,
    },
}

impl Socket {
    /// On a free port of 127.0.0.1.
    pub(super) fn tcp() -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        Ok((Socket::Tcp(listener), address))
    }

    /// In a new directory for temporary files.
    #[cfg(unix)]
    pub(super) fn unix() -> io::Result<(Self, PathBuf)> {
        let directory = UnixDirectory::new()?;
        let path = directory.0.join("lmtp");
        Ok((Socket::Unix { listener: UnixListener::bind(&path)?, _directory: directory }, path))
    }

    pub(super) fn accept(&self) -> io::Result<Stream> {
        match self {
            Socket::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
            #[cfg(unix)]
            Socket::Unix { listener, .. } => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        }
    }

    /// Makes an [`accept`](Self::accept) under way return: it has no deadline of its own, but a connection
    /// wakes it. Fails if nobody can be listening any more.
    pub(super) fn wake(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(listener) => {
                TcpStream::connect_timeout(&listener.local_addr()?, Duration::from_secs(1)).map(drop)
            }
            #[cfg(unix)]
            Socket::Unix { listener, .. } => {
                let address = listener.local_addr()?;
                UnixStream::connect(address.as_pathname().unwrap_or(Path::new(""))).map(drop)
            }
        }
    }
}

/// A directory that goes when it is dropped.
#[cfg(unix)]
pub(super) struct UnixDirectory(PathBuf);

#[cfg(unix)]
impl UnixDirectory {
    fn new() -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        use std::sync::atomic::{AtomicU64, Ordering};

        static COUNT: AtomicU64 = AtomicU64::new(1);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("sink-{}-{count}", std::process::id()));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                // Left behind by a process of the same id that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created.map(|()| Self(path)),
            }
        }
    }
}

#[cfg(unix)]
impl Drop for UnixDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    /// Sets both timeouts, and has small writes leave at once.
    pub(super) fn prepare(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => {
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(timeout))?;
            }
            #[cfg(unix)]
            Stream::Unix(stream) => stream.set_write_timeout(Some(timeout))?,
        }
        self.set_read_timeout(timeout)
    }

    pub(super) fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.set_read_timeout(Some(timeout)),
        }
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Stream::Tcp(stream) => stream.try_clone().map(Stream::Tcp),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.try_clone().map(Stream::Unix),
        }
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(how),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.shutdown(how),
        }
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&mut &*stream).read(buffer),
            #[cfg(unix)]
            Stream::Unix(stream) => (&mut &*stream).read(buffer),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&mut &*stream).write(octets),
            #[cfg(unix)]
            Stream::Unix(stream) => (&mut &*stream).write(octets),
        }
    }

    /// Neither kind holds anything back.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
