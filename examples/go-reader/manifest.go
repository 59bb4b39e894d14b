package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"time"
)

// docs/control-topic.md, "The manifest": what a reader needs of it, and what it must refuse.

var errPayload = errors.New("payload")

type dekEntry struct {
	version, state, created, policy, hash string
	n                                     int
	signed                                bool
}

type enricherEntry struct {
	signer
	id, state string
}

type manifest struct {
	deployment      string
	sequence        int
	issued, expires time.Time
	minimum         int
	deks            []dekEntry
	policies        map[string]*policy
	policyTexts     map[string]string
	enrichers       []enricherEntry
	agentStates     map[string]string
}

var dekStates = []string{"active", "decrypt-only", "revoked", "destroyed"}
var keyStates = []string{"current", "retired", "revoked"}

func readManifest(payload []byte) (*manifest, error) {
	root, err := parseOnce(payload)
	if err != nil || root.kind != object {
		return nil, errPayload
	}
	names := []string{
		"v", "deployment", "sequence", "issued_at", "expires_at", "active_version", "minimum_version", "deks",
		"policies", "keks", "agents", "custodians", "enrichers", "executed",
	}
	if root.member("recovery_key") != nil {
		names = append(names, "recovery_key")
	}
	if !has(root, names...) || root.member("v").text != "1" || root.member("v").kind != number {
		return nil, errPayload
	}
	found := &manifest{
		deployment: text(root, "deployment"), policies: map[string]*policy{}, policyTexts: map[string]string{},
		agentStates: map[string]string{},
	}
	issued, expires := text(root, "issued_at"), text(root, "expires_at")
	if !isTime(issued) || !isTime(expires) || !isDEKVersion(text(root, "minimum_version")) {
		return nil, errPayload
	}
	found.issued, found.expires, found.minimum = moment(issued), moment(expires), dekNumber(text(root, "minimum_version"))
	if found.sequence, err = whole(root.member("sequence")); err != nil {
		return nil, err
	}
	if err := errors.Join(
		each(root, "policies", found.takePolicy),
		each(root, "deks", found.takeDEK),
		each(root, "enrichers", found.takeEnricher),
		each(root, "agents", found.takeAgent),
	); err != nil {
		return nil, errPayload
	}
	return found, found.judgeDEKs(text(root, "active_version"), text(root, "minimum_version"))
}

func each(root *node, name string, take func(*node) bool) error {
	list := root.member(name)
	if list.kind != array {
		return errPayload
	}
	for _, one := range list.children {
		if !take(one) {
			return errPayload
		}
	}
	return nil
}

func moment(text string) time.Time {
	found, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err) // its form was judged
	}
	return found
}

func whole(value *node) (int, error) {
	if value == nil || value.kind != number {
		return 0, errPayload
	}
	found, err := strconv.Atoi(value.text)
	if err != nil || found < 1 {
		return 0, errPayload
	}
	return found, nil
}

func (m *manifest) takePolicy(value *node) bool {
	if !has(value, "id", "names", "pointers", "exclude") || m.policies[text(value, "id")] != nil {
		return false
	}
	written := value.String()
	rules, err := readPolicy([]byte(written))
	m.policies[text(value, "id")], m.policyTexts[text(value, "id")] = rules, written
	return err == nil
}

func (m *manifest) takeDEK(value *node) bool {
	if !has(value, "version", "state", "created_at", "policy", "signed", "record_sha256") {
		return false
	}
	entry := dekEntry{
		version: text(value, "version"), state: text(value, "state"), created: text(value, "created_at"),
		policy: text(value, "policy"), hash: text(value, "record_sha256"), signed: value.member("signed").text == "true",
	}
	signed := value.member("signed")
	if !isDEKVersion(entry.version) || !slices.Contains(dekStates, entry.state) || !isTime(entry.created) ||
		m.policies[entry.policy] == nil || !isHex(entry.hash, 32) || signed.kind != scalar || signed.text == "null" {
		return false
	}
	entry.n = dekNumber(entry.version)
	m.deks = append(m.deks, entry)
	return true
}

// judgeDEKs wants them in the order of n, no n twice, and exactly one active: the highest.
func (m *manifest) judgeDEKs(active, minimum string) error {
	before, named := 0, false
	for at, entry := range m.deks {
		last := at == len(m.deks)-1
		if entry.n <= before || (entry.state == "active") != last || last && entry.version != active {
			return errPayload
		}
		before, named = entry.n, named || entry.version == minimum
	}
	if !named {
		return errPayload
	}
	return nil
}

func (m *manifest) takeEnricher(value *node) bool {
	names := []string{"id", "public_key", "state", "first_n"}
	for _, optional := range []string{"last_n", "revoked_at"} {
		if value.member(optional) != nil {
			names = append(names, optional)
		}
	}
	public, isBase64 := unb64(text(value, "public_key"))
	hash := sha256.Sum256(public)
	entry := enricherEntry{id: text(value, "id"), state: text(value, "state")}
	first, err := whole(value.member("first_n"))
	if !has(value, names...) || !isBase64 || err != nil || entry.id != hex.EncodeToString(hash[:])[:16] ||
		!slices.Contains(keyStates, entry.state) {
		return false
	}
	entry.public, entry.first = bytes.Clone(public), first
	if last := value.member("last_n"); last != nil {
		if entry.last, err = whole(last); err != nil {
			return false
		}
	}
	if entry.state == "revoked" {
		entry.reason = "signer-revoked"
	}
	m.enrichers = append(m.enrichers, entry)
	return true
}

func (m *manifest) takeAgent(value *node) bool {
	public, isBase64 := unb64(text(value, "public_key"))
	id, state := text(value, "id"), text(value, "state")
	if !isBase64 || id != agentID(public) || !slices.Contains(keyStates, state) || m.agentStates[id] != "" {
		return false
	}
	m.agentStates[id] = state
	return true
}

// follows tells whether nothing goes back from the manifest before.
func (m *manifest) follows(before *manifest) bool {
	if len(m.deks) < len(before.deks) || len(m.enrichers) < len(before.enrichers) || m.minimum < before.minimum {
		return false
	}
	for at, old := range before.deks {
		now := m.deks[at]
		if now.version != old.version || now.created != old.created || now.policy != old.policy ||
			now.signed != old.signed || slices.Index(dekStates, now.state) < slices.Index(dekStates, old.state) {
			return false
		}
	}
	for id, old := range before.policyTexts {
		if m.policyTexts[id] != old {
			return false
		}
	}
	for _, old := range before.enrichers {
		at := slices.IndexFunc(m.enrichers, func(one enricherEntry) bool { return one.id == old.id })
		if at < 0 || slices.Index(keyStates, m.enrichers[at].state) < slices.Index(keyStates, old.state) {
			return false
		}
	}
	for id, old := range before.agentStates {
		if now := m.agentStates[id]; now == "" || slices.Index(keyStates, now) < slices.Index(keyStates, old) {
			return false
		}
	}
	return true
}
