//! A Redis that several replicas share. Each method is one script of one key, so each is one step.
//!
//! **Time.** A value carries its end, and scripts compare it with the caller's clock. Redis' own expiry only clears away
//! what has ended long ago.
//!
//! **Crashes.** Durable entries are as durable as Redis is told to be: only `appendonly yes` with `appendfsync always`
//! flushes before it answers, and [`RedisStore::open`] warns of anything less. An ephemeral value carries the `run_id` of
//! the process that took it, so that nothing a restart or a failover brings back is ever found.

use super::bounds::{Bounds, CallLimits};
use super::tls::{self, StoreTls};
use super::{Call, Key, Put, Space, Store, StoreError};
use crate::env::{Clock, Timestamp};
use bytes::Bytes;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{
    Client, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo as _,
    ProtocolVersion, Script,
};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// Keeps entries in one Redis (version 7 or later), for any number of replicas.
///
/// A cluster is not supported: the connection goes to one server, which may change behind its address.
#[derive(Debug)]
pub struct RedisStore {
    clock: Arc<dyn Clock>,
    prefix: String,
    connection: Connection,
    bounds: Bounds,
}

impl RedisStore {
    /// Connects, and warns of settings under which Redis keeps less than a store must.
    ///
    /// The URL is `redis://[user:password@]host[:port][/database]`, the same with `rediss` for TLS, or `unix:///path`.
    /// Deployments that share a Redis need prefixes of their own, of which none is another's beginning up to a colon.
    ///
    /// # Errors
    /// When the URL is none, or Redis does not answer to it or is not who it should be. The text has the address and no
    /// password.
    pub async fn open(
        url: &SecretString,
        tls: &StoreTls,
        prefix: &str,
        limits: CallLimits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let info = read(url, tls)?;
        let address = info.addr().to_string();
        if let ConnectionAddr::Tcp(host, _) = info.addr() {
            tls::warn_in_clear(host, "write rediss:// for redis://");
        }
        let encrypted = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        let unreachable = |error: &dyn std::fmt::Display| {
            StoreError::new("open", &format!("Redis at {address} does not serve us: {error}"))
        };
        // The third version of the protocol tells at once when a connection has gone.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let info = info.set_redis_settings(settings);
        let client = if encrypted {
            // Said here, where it names the setting; the library would read them anew for every connection.
            tls.config()?;
            // The library takes the process' own provider of cryptography, of which there may be none yet.
            let _ = rustls::crypto::ring::default_provider().install_default();
            Client::build_with_tls(info, tls.certificates())
        } else {
            Client::open(info)
        };
        let client = client.map_err(|error| unreachable(&plain(&error)))?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(limits.time))
            .set_response_timeout(Some(limits.time))
            .set_pipeline_buffer_size(limits.waiting);
        let manager = ConnectionManager::new_lazy_with_config(client, config)
            .map_err(|error| unreachable(&plain(&error)))?;
        let prefix = prefix.to_owned();
        let store = Self { clock, prefix, connection: Connection(manager), bounds: Bounds::new(limits) };
        store.ping().await.map_err(|error| unreachable(&error))?;
        store.judge_settings(&address).await;
        Ok(store)
    }

    /// Whether [`Self::open`] would try; asks nobody.
    ///
    /// # Errors
    /// When the URL is none, or does not go with what was given for TLS.
    pub fn check(url: &SecretString, tls: &StoreTls) -> Result<(), StoreError> {
        let info = read(url, tls)?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            tls.config()?;
        }
        Ok(())
    }

    /// Says what Redis would lose. Whoever runs it may have reasons, so it is no error.
    async fn judge_settings(&self, address: &str) {
        for (name, wanted, otherwise) in WANTED {
            let mut asked = redis::cmd("CONFIG");
            asked.arg("GET").arg(name);
            let mut connection = self.connection.0.clone();
            let call =
                async { asked.query_async(&mut connection).await.map_err(failed("read its settings")) };
            let said: Result<BTreeMap<String, String>, _> = self.bounds.hold("read its settings", call).await;
            match said.as_ref().map(|said| said.get(name).map_or("", String::as_str)) {
                Ok(value) if value == wanted => {}
                Ok(value) => tracing::warn!(
                    address,
                    setting = name,
                    value,
                    wanted,
                    "with this setting of Redis {otherwise}"
                ),
                Err(error) => tracing::warn!(
                    address,
                    setting = name,
                    wanted,
                    %error,
                    "a setting of Redis could not be checked; unless it is as wanted, {otherwise}"
                ),
            }
        }
    }

    /// Runs a script on a key. It is given the time and the space before the arguments.
    async fn run<T: FromRedisValue>(
        &self,
        doing: &'static str,
        script: &Script,
        key: &Key,
        arguments: &[&[u8]],
    ) -> Result<T, StoreError> {
        let (space, letter) = match key.space() {
            Space::Durable => ("durable", 'd'),
            Space::Ephemeral => ("ephemeral", 'e'),
        };
        let mut call = script.key(format!("{}:{letter}:{}", self.prefix, key.name()));
        call.arg(digits(self.clock.now())).arg(space);
        for argument in arguments {
            call.arg(*argument);
        }
        let mut connection = self.connection.0.clone();
        self.bounds
            .hold(doing, async {
                let mut answer = call.invoke_async(&mut connection).await;
                // Nothing was sent then, so nothing happens twice; the manager is connecting by now.
                if matches!(&answer, Err(error) if error.is_connection_refusal()) {
                    answer = call.invoke_async(&mut connection).await;
                }
                answer.map_err(failed(doing))
            })
            .await
    }

    /// How long Redis holds a value, in milliseconds: past its end, in case a clock is set back. Empty for ever.
    fn held(&self, until: Timestamp) -> String {
        const SPARE: u64 = 3_600_000;
        const LONGEST: u64 = 100 * 365 * 86_400_000;
        let left = until.millis().saturating_sub(self.clock.now().millis()).saturating_add(SPARE);
        if left > LONGEST { String::new() } else { left.to_string() }
    }
}

impl Store for RedisStore {
    fn put<'a>(&'a self, key: &'a Key, value: Bytes, until: Timestamp, mode: Put) -> Call<'a, bool> {
        let mode: &[u8] = match mode {
            Put::New => b"new",
            Put::Replace => b"replace",
        };
        Call::later(async move {
            let (until, held) = (digits(until), self.held(until));
            self.run("write", &PUT, key, &[until.as_bytes(), held.as_bytes(), &value, mode]).await
        })
    }

    fn get<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        Call::later(async move {
            let value: Option<Vec<u8>> = self.run("read", &GET, key, &[]).await?;
            Ok(value.map(Bytes::from))
        })
    }

    fn take<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        Call::later(async move {
            let value: Option<Vec<u8>> = self.run("take", &TAKE, key, &[]).await?;
            Ok(value.map(Bytes::from))
        })
    }

    fn swap<'a>(&'a self, key: &'a Key, was: Bytes, value: Bytes, until: Timestamp) -> Call<'a, bool> {
        Call::later(async move {
            let (until, held) = (digits(until), self.held(until));
            self.run("swap", &SWAP, key, &[until.as_bytes(), held.as_bytes(), &value, &was]).await
        })
    }

    fn bump<'a>(&'a self, key: &'a Key, until: Timestamp) -> Call<'a, u64> {
        Call::later(async move {
            let (until, held) = (digits(until), self.held(until));
            self.run("count", &BUMP, key, &[until.as_bytes(), held.as_bytes()]).await
        })
    }

    fn remove<'a>(&'a self, key: &'a Key) -> Call<'a, ()> {
        Call::later(self.run("remove", &REMOVE, key, &[]))
    }

    fn clear(&self) -> Call<'_, ()> {
        Call::later(async move {
            let call = CLEAR.arg(format!("{}:", self.prefix));
            let mut connection = self.connection.0.clone();
            let call = async { call.invoke_async(&mut connection).await.map_err(failed("clear")) };
            self.bounds.hold("clear", call).await
        })
    }

    fn ping(&self) -> Call<'_, ()> {
        // A read and not `PING`: it fails as well where the account may not run our scripts, or data is being loaded.
        Call::later(async move { self.get(&Key::new(Space::Ephemeral, "ping")).await.map(|_| ()) })
    }
}

/// Where Redis is, if that goes with what was given for TLS.
fn read(url: &SecretString, tls: &StoreTls) -> Result<ConnectionInfo, StoreError> {
    const READING: &str = "read store.url as an address of Redis";
    let info =
        url.expose_secret().into_connection_info().map_err(|error| StoreError::new(READING, &error))?;
    let refused = |why: &str| Err(StoreError::new(READING, &why));
    match info.addr() {
        ConnectionAddr::TcpTls { insecure: true, .. } => refused(
            "#insecure is refused, since anybody could be that Redis: name its authority with store.ca instead",
        ),
        ConnectionAddr::TcpTls { .. } => Ok(info),
        _ if tls.is_given() => {
            refused("store.ca and store.client_cert are for TLS: write rediss:// for redis://")
        }
        _ => Ok(info),
    }
}

/// Settings of Redis, what they should be, and what happens otherwise.
const WANTED: [(&str, &str, &str); 3] = [
    ("appendonly", "yes", "a restart may bring ended sessions back and lose others"),
    ("appendfsync", "always", "a crash may lose the last second: a logout or a replaced key could be undone"),
    ("maxmemory-policy", "noeviction", "sessions and accounts are dropped when memory runs short"),
];

/// The manager has no `Debug` of its own, and what it holds includes a password.
struct Connection(ConnectionManager);

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

/// A time as text whose order is that of time: Lua's numbers cannot hold all of them.
fn digits(time: Timestamp) -> String {
    format!("{:020}", time.millis())
}

fn failed(doing: &'static str) -> impl Fn(redis::RedisError) -> StoreError {
    move |error| StoreError::new(doing, &plain(&error))
}

/// The error on one line; a failure to log in says what to look at.
fn plain(error: &redis::RedisError) -> String {
    let hint = match error.kind() {
        ErrorKind::AuthenticationFailed => " (see user and password in store.url)",
        _ => "",
    };
    let text = error.to_string().replace('\n', " ");
    format!("{text}{hint}{}", tls::hint(&text))
}

/// What all scripts begin with. A stored value is its end in 20 digits, the process it is bound to if it is ephemeral,
/// and the bytes themselves.
const HEAD: &str = r"
local bound = ''
if ARGV[2] == 'ephemeral' then
  bound = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  if not bound then return redis.error_reply('ERR this Redis has no run_id') end
end
local begins = 21 + #bound
local function present()
  local kept = redis.call('GET', KEYS[1])
  if kept and string.sub(kept, 1, 20) > ARGV[1] and string.sub(kept, 21, begins - 1) == bound then
    return string.sub(kept, begins), string.sub(kept, 1, 20)
  end
  return false
end
local function keep(value, ends, held)
  if held == '' then
    redis.call('SET', KEYS[1], ends .. bound .. value)
  else
    redis.call('SET', KEYS[1], ends .. bound .. value, 'PX', held)
  end
end
";

fn script(body: &str) -> Script {
    Script::new(&format!("{HEAD}{body}"))
}

static GET: LazyLock<Script> = LazyLock::new(|| script("return (present())"));

static PUT: LazyLock<Script> = LazyLock::new(|| {
    script(
        "if ARGV[6] == 'new' and present() then return 0 end
         keep(ARGV[5], ARGV[3], ARGV[4])
         return 1",
    )
});

static TAKE: LazyLock<Script> = LazyLock::new(|| {
    script(
        "local value = present()
         redis.call('DEL', KEYS[1])
         return value",
    )
});

static SWAP: LazyLock<Script> = LazyLock::new(|| {
    script(
        "if present() ~= ARGV[6] then return 0 end
         keep(ARGV[5], ARGV[3], ARGV[4])
         return 1",
    )
});

static BUMP: LazyLock<Script> = LazyLock::new(|| {
    script(
        "local value, ends = present()
         if not value then
           keep(struct.pack('>I8', 1), ARGV[3], ARGV[4])
           return 1
         end
         local count = 1
         if #value == 8 then count = struct.unpack('>I8', value) + 1 end
         redis.call('SET', KEYS[1], ends .. bound .. struct.pack('>I8', count), 'KEEPTTL')
         return count",
    )
});

static REMOVE: LazyLock<Script> = LazyLock::new(|| script("redis.call('DEL', KEYS[1])"));

/// Everything in one step. It holds Redis up for as long as it takes, which only a development server asks for.
static CLEAR: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local pattern = string.gsub(ARGV[1], '[%*%?%[%]%\\\\]', '\\\\%0') .. '*'
         local cursor = '0'
         repeat
           local page = redis.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', 1000)
           cursor = page[1]
           for _, key in ipairs(page[2]) do redis.call('UNLINK', key) end
         until cursor == '0'",
    )
});
