package events

import (
	"errors"
	"maps"
	"net/url"

	"weir/sqlerr"
)

// private is what of a definition is not shown. Where the gateway has a key, it is
// stored encrypted.
type private struct {
	Secrets []Secret          `bson:"secrets,omitempty"`
	Headers map[string]string `bson:"headers,omitempty"` // those that hold credentials
	Target  string            `bson:"target,omitempty"`  // the URL where it holds a password
}

// sealName binds what is encrypted to its subscription.
func (s *Spec) sealName() string { return "subscription " + s.ID }

// sealed gives a definition as it is stored.
func (m *Manager) sealed(s *Spec) (*Spec, error) {
	kept, p := *s, private{Secrets: s.Secrets}
	if s.locked != nil || !m.vault.has() {
		return &kept, s.locked
	}
	p.Headers, kept.Headers = credentialHeaders(s.Headers)
	if shown := s.Target.Shown(); s.Target.Kind == TargetWebhook && shown != s.Target.Name {
		p.Target, kept.Target.Name = s.Target.Name, shown
	}
	kept.Secrets, kept.Sealed = nil, nil
	if len(p.Secrets)+len(p.Headers)+len(p.Target) == 0 {
		return &kept, nil
	}
	var err error
	kept.Sealed, err = m.vault.seal(p, s.sealName())
	return &kept, err
}

// unseal makes a definition whole that was read. One that does not open is whole but
// for its secrets; nothing is sent for it, and it is not stored again.
func (m *Manager) unseal(s *Spec) {
	if len(s.Sealed) == 0 {
		return
	}
	var p private
	if err := m.vault.open(s.Sealed, s.sealName(), &p); err != nil {
		s.locked = sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "the stored secrets of event subscription \"%s\" cannot be read", s.Name).
			WithDetail("%s.", lockedDetail(err)).WithHint("Start the gateway with the key that the other gateways have, or use CREATE OR REPLACE EVENT_SUBSCRIPTION.")
		return
	}
	s.Sealed, s.Secrets = nil, p.Secrets
	if len(p.Headers) > 0 {
		all := p.Headers
		maps.Copy(all, s.Headers)
		s.Headers = all
	}
	if p.Target != "" {
		s.Target.Name = p.Target
	}
}

func lockedDetail(err error) string {
	if errors.Is(err, errNoKey) {
		return "The gateway has no key for credentials"
	}
	return "They do not open with this gateway's key"
}

// opened is the error of a definition whose secrets do not open.
func (s *Spec) opened() error { return s.locked }

// warnClear tells of credentials that the store holds as they are.
func (c *call) warnClear(s *Spec, given givenOptions) {
	secret, _ := credentialHeaders(s.Headers)
	if c.m.vault.has() || len(secret) == 0 && s.Target.Shown() == s.Target.String() || !given.asks("headers") && given["target"] == nil {
		return
	}
	c.notice("WARNING", sqlerr.Warning, "the credentials of \"%s\" are stored as they are", s.Name).
		WithHint("With a key for credentials (--secret-key-file), the same on every gateway, they are stored encrypted.")
}

// Shown gives the target as it is shown: without a password.
func (t Target) Shown() string {
	if t.Kind == TargetWebhook {
		return MaskURL(t.Name)
	}
	return t.String()
}

// maskedPassword tells whether a URL holds what stands for a password.
func maskedPassword(target string) bool {
	u, err := url.Parse(target)
	if err != nil || u.User == nil {
		return false
	}
	password, _ := u.User.Password()
	return password == masked
}

// unmask puts what is stored in place of what a statement gives as it is shown. old
// is the definition that there was, nil: none.
func unmask(s, old *Spec, given givenOptions) error {
	var headers map[string]string
	if old != nil {
		headers = old.Headers
		if s.Target.Kind == TargetWebhook && old.Target.Kind == TargetWebhook && s.Target.Name == old.Target.Shown() {
			s.Target.Name = old.Target.Name
		}
	}
	if o := given["headers"]; o != nil {
		if err := unmaskHeaders(s.Headers, headers, o); err != nil {
			return err
		}
	}
	if o := given["target"]; o != nil && s.Target.Kind == TargetWebhook && maskedPassword(s.Target.Name) {
		return o.bad("the whole URL: *** stands for a password that is not shown")
	}
	return nil
}
