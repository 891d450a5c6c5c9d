//! Tasks that share a pool of deadpool's.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use smtp_tokio::ClientBuilder;
use smtp_tokio::pool::deadpool::managed::Hook;
use smtp_tokio::pool::{self, Manager, Pool};
use tokio::task::JoinSet;

use super::{Plan, TRIES, Tally, is_to_be_retried};

/// Sends the messages of the plan.
///
/// # Errors
/// If there can be no pool; what goes wrong with a message is counted.
pub async fn run(builder: ClientBuilder, plan: &Plan) -> Result<Arc<Tally>, Box<dyn Error>> {
    let tally = Arc::new(Tally::default());
    let counted = Arc::clone(&tally);
    let settings = Manager::new(builder).max_messages(plan.max_messages).pool(plan.connections as usize);
    let pool = settings.wait_timeout(Some(plan.patience)).post_create(Hook::sync_fn(move |_, _| {
        counted.sessions.fetch_add(1, Relaxed);
        Ok(())
    }));
    let pool = pool.build()?;
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..plan.workers {
        let (pool, plan, next, tally) = (pool.clone(), plan.clone(), Arc::clone(&next), Arc::clone(&tally));
        tasks.spawn(async move {
            while let Some(n) = Some(next.fetch_add(1, Relaxed)).filter(|&n| n < plan.messages) {
                deliver(&pool, &plan, &plan.message(n), &tally).await;
            }
        });
    }
    tasks.join_all().await;
    pool::close(&pool).await;
    Ok(tally)
}

async fn deliver(pool: &Pool, plan: &Plan, message: &[u8], tally: &Tally) {
    for attempt in 1..=TRIES {
        let mut client = match pool.get().await {
            Ok(client) => client,
            Err(error) => return tally.give_up(&pool::explain(pool, &error)),
        };
        tally.borrowed();
        let sent = client.send(&plan.envelope, message).await;
        tally.returned();
        match sent {
            Ok(_) => return tally.accept(),
            Err(error) if attempt < TRIES && is_to_be_retried(error.kind()) => tally.retry(),
            Err(error) => return tally.fail(error.kind()),
        }
    }
}
