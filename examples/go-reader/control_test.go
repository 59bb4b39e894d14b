package main

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

// Frozen records of the control topic: the last of each case is taken, or refused for its reason.

type controlFile struct {
	Deployment string
	Agent      struct{ Public []byte }
	KEK        string
	Cases      []struct {
		Name   string
		At     time.Time
		Reason *string
		Offers []struct {
			Key   string
			Value *string
		}
	}
}

func TestControlTopic(t *testing.T) {
	content := load[controlFile](t, "control_topic")
	for _, one := range content.Cases {
		key, err := loadAgent(content.Agent.Public)
		if err != nil {
			t.Fatal(err)
		}
		from := &follower{deployment: content.Deployment, agents: []*agent{key}, records: map[string][][]byte{}}
		var last error
		for at, record := range one.Offers {
			var value []byte
			if record.Value != nil {
				value = []byte(*record.Value)
			}
			last = from.offer(record.Key, value, one.At)
			if at < len(one.Offers)-1 && last != nil {
				t.Error(one.Name, "refuses an earlier record:", last)
			}
		}
		var refused manifestRefusal
		switch {
		case one.Reason == nil && last != nil:
			t.Error(one.Name, last)
		case one.Reason != nil && (!errors.As(last, &refused) || string(refused) != *one.Reason):
			t.Error(one.Name, *one.Reason, last)
		}
	}
}

// Members that differ in case alone are no members: encoding/json would take them.
func TestControlTopicIsReadStrictly(t *testing.T) {
	content := load[controlFile](t, "control_topic")
	first := content.Cases[0]
	value := *first.Offers[len(first.Offers)-1].Value
	for name, spoilt := range map[string]string{
		"case":  strings.Replace(value, `"payload"`, `"Payload"`, 1),
		"twice": strings.Replace(value, `{"payload"`, `{"payloadType":"x","payload"`, 1),
		"text":  base64.StdEncoding.EncodeToString([]byte(value)),
	} {
		if _, ok := openEnvelope([]byte(spoilt)); ok {
			t.Error(name, "is taken")
		}
	}
	if _, ok := openEnvelope([]byte(value)); !ok {
		t.Error("the unspoilt one is refused")
	}
}
