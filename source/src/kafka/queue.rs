//! A librdkafka queue of our own, and the batches of messages taken from it.

use std::ffi::{CStr, CString, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::slice;

use kolo_engine::slot::Header;
use rdkafka::bindings as rd;

/// Runs when a queue that was empty receives something; on a librdkafka thread, so it must be short and never block.
type NonEmpty = Box<dyn Fn() + Send + Sync>;

/// An owned reference to a librdkafka queue.
pub(crate) struct Queue {
    ptr: NonNull<rd::rd_kafka_queue_t>,
    /// Boxed twice: librdkafka keeps a thin pointer to the inner box for as long as the callback is enabled.
    callback: Option<Box<NonEmpty>>,
}

// SAFETY: librdkafka's queues are internally locked and documented as thread safe; the callback is Send + Sync.
unsafe impl Send for Queue {}
// SAFETY: as above; every method that takes `&self` calls a thread-safe librdkafka function.
unsafe impl Sync for Queue {}

impl Queue {
    /// A new queue of the client `rk`.
    ///
    /// # Safety
    /// `rk` must be a live client, and must outlive the queue.
    pub(crate) unsafe fn new(rk: *mut rd::rd_kafka_t) -> Queue {
        // SAFETY: the caller vouches for `rk`.
        let ptr = unsafe { rd::rd_kafka_queue_new(rk) };
        Queue { ptr: NonNull::new(ptr).expect("rd_kafka_queue_new never returns null"), callback: None }
    }

    /// The consumer queue of `rk`, on which rebalances and errors arrive.
    ///
    /// # Safety
    /// `rk` must be a live consumer with a `group.id`, and must outlive the queue.
    pub(crate) unsafe fn of_consumer(rk: *mut rd::rd_kafka_t) -> Queue {
        // SAFETY: the caller vouches for `rk`.
        let ptr = unsafe { rd::rd_kafka_queue_get_consumer(rk) };
        Queue { ptr: NonNull::new(ptr).expect("a consumer with a group.id has a consumer queue"), callback: None }
    }

    /// Lets everything that is fetched for one partition arrive here instead of on the consumer queue.
    ///
    /// # Safety
    /// `rk` must be the live client that this queue belongs to.
    pub(crate) unsafe fn take_partition(&self, rk: *mut rd::rd_kafka_t, topic: &str, partition: i32) {
        let topic = CString::new(topic).expect("a topic name holds no NUL");
        // SAFETY: the caller vouches for `rk`; the partition queue's reference is given back below, the forwarding
        // itself holds a reference of its own.
        unsafe {
            let from = rd::rd_kafka_queue_get_partition(rk, topic.as_ptr(), partition);
            if !from.is_null() {
                rd::rd_kafka_queue_forward(from, self.ptr.as_ptr());
                rd::rd_kafka_queue_destroy(from);
            }
        }
    }

    /// Calls `f` whenever the queue turns from empty to non-empty.
    pub(crate) fn on_non_empty(&mut self, f: impl Fn() + Send + Sync + 'static) {
        unsafe extern "C" fn call(_: *mut rd::rd_kafka_t, opaque: *mut c_void) {
            // SAFETY: `opaque` points to the box that `Queue::callback` keeps until the callback is disabled.
            let f = unsafe { &*(opaque as *const NonEmpty) };
            f();
        }
        let callback: Box<NonEmpty> = Box::new(Box::new(f));
        let opaque = &*callback as *const NonEmpty as *mut c_void;
        // SAFETY: `opaque` stays valid until `Drop` disables the callback, or the next call replaces it.
        unsafe { rd::rd_kafka_queue_cb_event_enable(self.ptr.as_ptr(), Some(call), opaque) };
        self.callback = Some(callback);
    }

    /// Whether anything waits in the queue.
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: `ptr` is live as long as `self`.
        unsafe { rd::rd_kafka_queue_length(self.ptr.as_ptr()) == 0 }
    }

    /// Moves what has arrived into `batch`, which must be used up. Never waits.
    pub(crate) fn take(&self, batch: &mut Messages) {
        debug_assert!(batch.is_empty(), "messages not yet handled would be lost");
        // SAFETY: the array has `capacity` places; librdkafka fills the first `n` with messages that are ours to destroy.
        let n = unsafe {
            rd::rd_kafka_consume_batch_queue(self.ptr.as_ptr(), 0, batch.array.as_mut_ptr(), batch.array.len())
        };
        // A negative count is a queue that is being destroyed: nothing arrived.
        batch.next = 0;
        batch.end = n.max(0) as usize;
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the reference is ours and is given back once; the callback is disabled before its box is freed, and
        // librdkafka calls it under the queue's lock, so none is running afterwards.
        unsafe {
            if self.callback.is_some() {
                rd::rd_kafka_queue_cb_event_enable(self.ptr.as_ptr(), None, ptr::null_mut());
            }
            rd::rd_kafka_queue_destroy(self.ptr.as_ptr());
        }
    }
}

/// A batch of librdkafka messages: taken from a queue in one call, handled one by one, destroyed as they are handled.
///
/// A message that has been taken and not been handled holds librdkafka's fetch buffer; all must be gone before the
/// consumer is closed, so the batch is dropped before the consumer.
pub(crate) struct Messages {
    array: Box<[*mut rd::rd_kafka_message_t]>,
    /// `array[next..end]` are ours and not yet handled.
    next: usize,
    end: usize,
}

// SAFETY: messages may be read and destroyed on any thread, and only the owner of the batch reaches them.
unsafe impl Send for Messages {}

impl Messages {
    pub(crate) fn with_capacity(capacity: usize) -> Messages {
        Messages { array: vec![ptr::null_mut(); capacity].into_boxed_slice(), next: 0, end: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.next == self.end
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.next
    }

    /// The message that `advance` would destroy.
    #[inline]
    pub(crate) fn peek(&self) -> Option<Message<'_>> {
        (self.next < self.end).then(|| {
            // SAFETY: messages in next..end are live until `advance`, which needs `&mut self`.
            Message { raw: unsafe { &*self.array[self.next] } }
        })
    }

    /// Destroys the message at the front.
    #[inline]
    pub(crate) fn advance(&mut self) {
        debug_assert!(!self.is_empty());
        // SAFETY: the message at `next` is ours and live; `next` moves past it, so it is destroyed once.
        unsafe { rd::rd_kafka_message_destroy(self.array[self.next]) };
        self.next += 1;
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        while !self.is_empty() {
            self.advance();
        }
    }
}

/// One consumed message, or one event about a partition in place of a message.
pub(crate) struct Message<'a> {
    raw: &'a rd::rd_kafka_message_t,
}

impl<'a> Message<'a> {
    #[inline]
    pub(crate) fn error(&self) -> rd::rd_kafka_resp_err_t {
        self.raw.err
    }

    #[inline]
    pub(crate) fn partition(&self) -> i32 {
        self.raw.partition
    }

    #[inline]
    pub(crate) fn offset(&self) -> i64 {
        self.raw.offset
    }

    /// The topic object's address: equal within a batch exactly for messages of one topic.
    #[inline]
    pub(crate) fn topic_address(&self) -> usize {
        self.raw.rkt as usize
    }

    pub(crate) fn topic(&self) -> &'a str {
        if self.raw.rkt.is_null() {
            return "";
        }
        // SAFETY: the message holds a reference to its topic, whose name is a C string that lives as long.
        let name = unsafe { CStr::from_ptr(rd::rd_kafka_topic_name(self.raw.rkt)) };
        name.to_str().unwrap_or("")
    }

    #[inline]
    pub(crate) fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: key and key_len describe a buffer that the message holds; a null key has a null pointer.
        (!self.raw.key.is_null()).then(|| unsafe { slice::from_raw_parts(self.raw.key as *const u8, self.raw.key_len) })
    }

    /// The record's value, or for an event its description.
    #[inline]
    pub(crate) fn value(&self) -> Option<&'a [u8]> {
        // SAFETY: as for the key.
        (!self.raw.payload.is_null())
            .then(|| unsafe { slice::from_raw_parts(self.raw.payload as *const u8, self.raw.len) })
    }

    /// The record's headers, which librdkafka reads when it is asked for them.
    ///
    /// # Errors
    /// The broker sent bytes that are no headers.
    pub(crate) fn headers(&self) -> Result<Headers<'a>, rd::rd_kafka_resp_err_t> {
        let mut list = ptr::null_mut();
        // SAFETY: the message is live, and `list` is a valid place to write to.
        match unsafe { rd::rd_kafka_message_headers(self.raw, &mut list) } {
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(Headers { list, next: 0, message: PhantomData }),
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__NOENT => Ok(Headers::default()),
            code => Err(code),
        }
    }

    /// Kafka's record timestamp in ms since 1970; −1 if there is none.
    #[inline]
    pub(crate) fn timestamp_ms(&self) -> i64 {
        let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is live, and `kind` is a valid place to write to.
        unsafe { rd::rd_kafka_message_timestamp(self.raw, &mut kind) }
    }
}

/// The headers of a message, one after the other. The name of one ends with its first NUL, if it has any: that is how
/// librdkafka tells it.
#[derive(Clone)]
pub(crate) struct Headers<'a> {
    /// Null if there are none.
    list: *mut rd::rd_kafka_headers_t,
    next: usize,
    /// Whose headers they are.
    message: PhantomData<&'a rd::rd_kafka_message_t>,
}

impl Default for Headers<'_> {
    /// No headers.
    fn default() -> Self {
        Headers { list: ptr::null_mut(), next: 0, message: PhantomData }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        if self.list.is_null() {
            return None;
        }
        let (mut name, mut value, mut len) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the list belongs to the message, which is live for 'a; librdkafka checks the number and writes to the
        // three places.
        let code = unsafe { rd::rd_kafka_header_get_all(self.list, self.next, &mut name, &mut value, &mut len) };
        if code != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        self.next += 1;
        // SAFETY: name and value lie in the list; the name is a C string, and a value that is null has a null pointer.
        unsafe {
            let name = CStr::from_ptr(name).to_bytes();
            let value = (!value.is_null()).then(|| slice::from_raw_parts(value as *const u8, len));
            Some(Header { name, value })
        }
    }
}
