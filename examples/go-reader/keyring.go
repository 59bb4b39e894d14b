package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// What the reader knows: for a DEK version its private key, policy and whether its sessions are signed, or why it is
// refused; for an enricher's key id its public key, or why it is refused. It comes from a file (README.md), or from the
// verified manifest of a control topic (control.go).

type keysFile struct {
	KEKs []struct {
		Private []byte `json:"private"`
		Public  []byte `json:"public"`
	} `json:"keks"`
	Policies map[string]json.RawMessage `json:"policies"`
	DEKs     map[string]struct {
		Reason  string            `json:"reason"`
		Policy  string            `json:"policy"`
		Signed  *bool             `json:"signed"`
		Public  []byte            `json:"public"`
		Private []byte            `json:"private"`
		Wraps   map[string][]byte `json:"wraps"`
	} `json:"deks"`
	Signers map[string]struct {
		Reason string `json:"reason"`
		Public string `json:"public"`
	} `json:"signers"`
}

type readingKey struct {
	reason  string
	private *privateKey
	policy  *policy
	signed  *bool // nil: no manifest says, so signatures are not judged
}

type signer struct {
	reason      string
	public      ed25519.PublicKey
	first, last int // the n of the DEKs whose sessions it may sign; last 0: no end
}

func (s signer) covers(n int) bool { return n >= s.first && (s.last == 0 || n <= s.last) }

type keyring struct {
	deks    map[string]*readingKey
	signers map[string]signer
	keks    map[string]*privateKey // by KEK id, for the wraps of the control topic
}

func loadKeyring(raw []byte) (*keyring, error) {
	var file keysFile
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("the keys file: %w", err)
	}
	keks := map[string]*privateKey{}
	for _, pair := range file.KEKs {
		kek, err := loadPrivate(pair.Private, pair.Public)
		if err != nil {
			return nil, fmt.Errorf("a KEK: %w", err)
		}
		keks[kekID(kek.public)] = kek
	}
	ring := &keyring{map[string]*readingKey{}, map[string]signer{}, keks}
	for version, entry := range file.DEKs {
		if !isDEKVersion(version) {
			return nil, fmt.Errorf("%q is no DEK version", version)
		}
		if entry.Reason != "" {
			ring.deks[version] = &readingKey{reason: entry.Reason}
			continue
		}
		rules, err := readPolicy(file.Policies[entry.Policy])
		if err != nil {
			return nil, fmt.Errorf("policy %q: %w", entry.Policy, err)
		}
		private, err := dekKey(version, entry.Private, entry.Public, entry.Wraps, keks)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", version, err)
		}
		ring.deks[version] = &readingKey{private: private, policy: rules, signed: entry.Signed}
	}
	for id, entry := range file.Signers {
		public, err := hex.DecodeString(entry.Public)
		if err != nil || entry.Reason == "" && len(public) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("the public key of enricher %q is not 32 bytes in hex", id)
		}
		ring.signers[id] = signer{reason: entry.Reason, public: public}
	}
	return ring, nil
}

// dekKey takes a private key as it is given, or the one wrap whose KEK is held: never one after another.
func dekKey(
	version string, private, public []byte, wraps map[string][]byte, keks map[string]*privateKey,
) (*privateKey, error) {
	if private != nil {
		return loadPrivate(private, public)
	}
	if err := checkPublic(public); err != nil {
		return nil, err
	}
	for id, wrapped := range wraps {
		if kek := keks[id]; kek != nil {
			return unwrap(wrapped, version, public, kek)
		}
	}
	return nil, fmt.Errorf("no KEK of the keys file opens it")
}

func (k *keyring) dek(version string) (*readingKey, error) {
	key := k.deks[version]
	if key == nil {
		return nil, refuse("dek-unknown", "")
	}
	if key.reason != "" {
		return nil, refuse(key.reason, "")
	}
	return key, nil
}

// judgeSignature is step 6. crypto/ed25519 verifies without cofactor and refuses an S that is not reduced.
func (k *keyring) judgeSignature(aegis *head, key *readingKey, kem []byte) error {
	if key.signed == nil {
		return nil
	}
	if aegis.by == "" {
		if *key.signed {
			return refuse("unsigned", "")
		}
		return nil
	}
	known, ok := k.signers[aegis.by]
	if !ok || !known.covers(dekNumber(aegis.dek)) {
		return refuse("signer-unknown", "")
	}
	if known.reason != "" {
		return refuse(known.reason, "")
	}
	sig, _ := unb64(aegis.sig) // judged before
	if !ed25519.Verify(known.public, []byte(sessionMessage(aegis.dek, kem)), sig) {
		return refuse("signature", "")
	}
	return nil
}
