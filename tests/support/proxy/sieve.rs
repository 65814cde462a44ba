//! Takes the fetches out of what a client sends to Kafka.

/// Takes Kafka's requests apart: each is its length in four bytes, then what it asks for in two, and the rest.
#[derive(Default)]
pub(super) struct Sieve {
    unfinished: Vec<u8>,
}

impl Sieve {
    const FETCH: [u8; 2] = [0, 1];

    /// The requests that are complete with these bytes, without fetches.
    pub(super) fn sift(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.unfinished.extend_from_slice(bytes);
        let mut sifted = Vec::new();
        while let Some(length) = self.unfinished.first_chunk().map(|length| u32::from_be_bytes(*length) as usize)
            && self.unfinished.len() >= 4 + length
        {
            let request: Vec<u8> = self.unfinished.drain(..4 + length).collect();
            if !request[4..].starts_with(&Self::FETCH) {
                sifted.extend(request);
            }
        }
        sifted
    }
}
