//! Numbers in decimal, written without a detour through a string.

use alloc::vec::Vec;

pub(super) fn push_decimal(mut number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        out.push(b'0' | (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

pub(super) fn push_signed(number: i32, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    push_decimal(number.unsigned_abs().into(), out);
}
