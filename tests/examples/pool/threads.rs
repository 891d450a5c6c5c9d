//! Threads that share a pool of r2d2's.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use smtp_blocking::ClientBuilder;
use smtp_blocking::pool::r2d2::{HandleEvent, event::AcquireEvent};
use smtp_blocking::pool::{self, Manager, Pool};

use super::{Plan, TRIES, Tally, is_to_be_retried};

/// Sends the messages of the plan.
///
/// # Errors
/// If there can be no pool; what goes wrong with a message is counted.
pub fn run(builder: ClientBuilder, plan: &Plan) -> Result<Arc<Tally>, Box<dyn Error>> {
    let tally = Arc::new(Tally::default());
    let manager = Manager::new(builder).max_messages(plan.max_messages);
    let settings = manager.pool(plan.connections).connection_timeout(plan.patience);
    let pool = settings.event_handler(Box::new(Sessions(Arc::clone(&tally)))).build(manager)?;
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..plan.workers {
            scope.spawn(|| {
                while let Some(n) = Some(next.fetch_add(1, Relaxed)).filter(|&n| n < plan.messages) {
                    deliver(&pool, plan, &plan.message(n), &tally);
                }
            });
        }
    });
    pool::close(&pool);
    Ok(tally)
}

fn deliver(pool: &Pool, plan: &Plan, message: &[u8], tally: &Tally) {
    for attempt in 1..=TRIES {
        let mut client = match pool.get() {
            Ok(client) => client,
            Err(error) => return tally.give_up(&pool::explain(pool, &error)),
        };
        tally.borrowed();
        let sent = client.send(&plan.envelope, message);
        tally.returned();
        match sent {
            Ok(_) => return tally.accept(),
            Err(error) if attempt < TRIES && is_to_be_retried(error.kind()) => tally.retry(),
            Err(error) => return tally.fail(error.kind()),
        }
    }
}

/// Counts sessions.
#[derive(Debug)]
struct Sessions(Arc<Tally>);

impl HandleEvent for Sessions {
    fn handle_acquire(&self, _: AcquireEvent) {
        self.0.sessions.fetch_add(1, Relaxed);
    }
}
