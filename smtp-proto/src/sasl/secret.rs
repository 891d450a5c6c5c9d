//! Octets that must not be seen: passwords, tokens and the responses made of them.
//!
//! [`Secret`] promises that formatting never shows its octets, that growing a buffer never leaves a copy
//! behind, and that the octets are overwritten with zeros when it is dropped.

use alloc::{string::String, vec::Vec};
use core::{fmt, hint::black_box};

/// Octets that are never printed, never reallocated, and overwritten with zeros when dropped.
///
/// A password need not be UTF-8: make it from text or from any octets. `Debug` and `Display` both write
/// `<redacted>`, without the length. There is no `==`, whose duration tells how much of a guess is right;
/// use [`ct_eq`](Self::ct_eq).
///
/// The overwriting is the best that safe code can do: the allocation this value holds is cleared, but not
/// what the compiler spilled to the stack, nor the buffer that the caller copied the secret from. Give an
/// owned `String` or `Vec<u8>` to hand over the allocation itself.
///
/// ```
/// use smtp_proto::sasl::Secret;
///
/// let password = Secret::from("tanstaaf");
/// assert_eq!(format!("{password:?} {password}"), "<redacted> <redacted>");
/// assert_eq!(password.expose(), b"tanstaaf");
/// ```
#[derive(Clone, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes `octets`; an owned buffer is taken over as it is, a borrowed one copied once.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    /// Joins `parts` in one allocation of exactly the right size, so that no shorter copy is left behind.
    ///
    /// ```
    /// use smtp_proto::sasl::Secret;
    ///
    /// let message = Secret::concat(&[b"", b"\0", b"tim", b"\0", b"tanstaaf"]);
    /// assert_eq!(message.expose(), b"\0tim\0tanstaaf");
    /// ```
    #[must_use]
    pub fn concat(parts: &[&[u8]]) -> Self {
        Self(parts.concat())
    }

    /// The octets. Whoever copies them answers for the copy.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether the octets equal `other`, in a time that depends on the two lengths only.
    ///
    /// It is what a mechanism checks a server's signature with in
    /// [`Mechanism::finish`](super::Mechanism::finish).
    #[must_use]
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        let differing = self.0.iter().zip(other).fold(0, |seen, (a, b)| black_box(seen | (a ^ b)));
        self.0.len() == other.len() && differing == 0
    }

    /// Overwrites the whole allocation, beyond the length too: an owned buffer may have been longer once.
    fn wipe(&mut self) {
        self.0.clear();
        self.0.resize(self.0.capacity(), 0);
        // Without an observer the writes are dead stores, which the optimiser may remove.
        black_box(self.0.as_mut_slice());
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&[u8]> for Secret {
    fn from(octets: &[u8]) -> Self {
        Self::new(octets)
    }
}

impl From<Vec<u8>> for Secret {
    fn from(octets: Vec<u8>) -> Self {
        Self::new(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn l01_secret_prints_nothing_of_itself() {
        let secret = Secret::from("hunter2");
        assert_eq!(format!("{secret:?}"), "<redacted>");
        assert_eq!(format!("{secret:#?}"), "<redacted>");
        assert_eq!(format!("{secret}"), "<redacted>");
        assert_eq!(format!("{:?}", Secret::default()), "<redacted>");
    }

    #[test]
    fn l06_wiping_clears_the_whole_allocation_in_place() {
        let mut buffer = Vec::with_capacity(64);
        buffer.extend_from_slice(b"a longer secret, then shortened");
        buffer.truncate(3);
        let allocation = buffer.as_ptr();
        let mut secret = Secret::from(buffer);
        assert_eq!(secret.expose().as_ptr(), allocation, "an owned buffer is not copied");

        secret.wipe();
        assert_eq!(secret.0.as_ptr(), allocation, "wiping must not move the secret");
        assert!(secret.0.len() >= 64);
        assert!(secret.0.iter().all(|&octet| octet == 0));
    }

    #[test]
    fn l06_joined_and_copied_secrets_have_no_spare_room() {
        let joined = Secret::concat(&[b"tim", b" ", b"", &[0; 100]]);
        assert_eq!((joined.0.len(), joined.0.capacity()), (104, 104));
        assert_eq!(joined.clone().0.capacity(), 104);
        assert_eq!(Secret::from("tim").0.capacity(), 3);
    }

    #[test]
    fn l07_ct_eq_agrees_with_equality() {
        // Two differences must not cancel out, as those of `ab` and `ba` could.
        let cases: [&[u8]; 7] = [b"", b"a", b"b", b"ab", b"ba", b"abc\0", b"abc"];
        for a in cases {
            for b in cases {
                assert_eq!(Secret::from(a).ct_eq(b), a == b, "{a:?} {b:?}");
            }
        }
    }
}
