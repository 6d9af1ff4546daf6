package events

import (
	"context"
	"slices"
	"strings"

	"weir/sqlerr"
	"weir/store"
)

// warn tells of what a definition asks for and may not get, or not want.
func (c *call) warn(ctx context.Context, s *Spec) error {
	colls, err := c.m.data.Collections(ctx, s.Database)
	if err != nil {
		return err
	}
	c.warnUnmatched(s, colls)
	c.warnImages(s, colls)
	c.warnCircle(s)
	return nil
}

// warnUnmatched names collections that match nothing yet.
func (c *call) warnUnmatched(s *Spec, colls []store.Collection) {
	for _, pattern := range s.Collections {
		if !slices.ContainsFunc(colls, func(coll store.Collection) bool { return globMatch(pattern, coll.Name) }) {
			c.notice("WARNING", sqlerr.Warning, "no collection matches \"%s\" yet", pattern).
				WithHint("Its events are delivered as soon as it exists.")
		}
	}
}

// warnImages names the collections that do not record the images that are asked for.
func (c *call) warnImages(s *Spec, colls []store.Collection) {
	before := s.FullDocumentBeforeChange != string(store.ImageOff)
	after := s.FullDocument == string(store.ImageWhenAvailable) || s.FullDocument == string(store.ImageRequired)
	if !before && !after {
		return
	}
	for _, coll := range colls {
		if coll.View || strings.HasPrefix(coll.Name, "system.") || !slices.ContainsFunc(s.Collections, func(p string) bool { return globMatch(p, coll.Name) }) {
			continue
		}
		if on, ok := coll.Options.Lookup("changeStreamPreAndPostImages", "enabled").BooleanOK(); !ok || !on {
			c.notice("NOTICE", sqlerr.SuccessfulCompletion, "collection \"%s\" does not record images of its documents", coll.Name).
				WithHint("Its events come without them until {collMod: '%s', changeStreamPreAndPostImages: {enabled: true}} is run.", coll.Name)
		}
	}
}

// warnCircle tells of subscriptions whose collections feed each other: what one writes
// comes back to it.
func (c *call) warnCircle(s *Spec) {
	next := map[string]*Spec{s.ID: s}
	for _, o := range c.m.of(s.Database) {
		if def := c.m.stored(o); o.ID != s.ID {
			next[o.ID] = def.Spec
		}
	}
	var way []string
	seen := map[string]bool{}
	var leads func(of *Spec) bool
	leads = func(of *Spec) bool {
		into, ok := of.writesInto()
		if !ok || seen[of.ID] {
			return false
		}
		seen[of.ID] = true
		for _, o := range next {
			if o.ID == of.ID || !o.watches(into) {
				continue
			}
			if o.ID == s.ID || leads(o) {
				way = append(way, o.Name)
				return true
			}
		}
		return false
	}
	if leads(s) {
		slices.Reverse(way)
		c.notice("WARNING", sqlerr.Warning, "what this subscription writes comes back to it").
			WithDetail("Its target is watched by %s.", strings.Join(way, ", whose target is watched by ")).
			WithHint("Unless a filter ends it, an event goes round for ever.")
	}
}

// writesInto names the collection of the subscription's own database that it writes to.
func (s *Spec) writesInto() (coll string, ok bool) {
	if s.Target.Kind != TargetCollection || s.Connection != "" {
		return "", false
	}
	if db, name, found := strings.Cut(s.Target.Name, "."); found {
		return name, db == s.Database
	}
	return s.Target.Name, true
}

// watches tells whether inserts and replacements in a collection may be events of the subscription.
func (s *Spec) watches(coll string) bool {
	if !slices.Contains(s.EventTypes, "insert") && !slices.Contains(s.EventTypes, "replace") {
		return false
	}
	return len(s.Collections) == 0 || slices.ContainsFunc(s.Collections, func(p string) bool { return globMatch(p, coll) })
}
