//! The shapes whose instructions `tests/work/run` counts, on a small scale: each does what it says, for nothing too.
#![allow(missing_docs, dead_code, unreachable_pub)]

#[path = "../examples/work.rs"]
mod example;

#[test]
fn every_shape_can_be_run() {
    for shape in &example::SHAPES {
        (shape.run)(0);
        (shape.run)(shape.size / 20);
    }
}
