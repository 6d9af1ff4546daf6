package session

import (
	"container/list"
	"context"
	"strconv"
	"strings"
)

// maxPlans bounds the plans that a session keeps.
const maxPlans = 200

// planCache keeps analyzed queries by text, parameter types and the settings
// that planning heeds. The one used least recently goes first.
type planCache struct {
	byKey map[string]*list.Element
	order *list.List // of *cachedPlan, latest first
}

type cachedPlan struct {
	key string
	st  *prepared
}

func newPlanCache() *planCache {
	return &planCache{byKey: map[string]*list.Element{}, order: list.New()}
}

func (c *planCache) get(key string) *prepared {
	e := c.byKey[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cachedPlan).st
}

func (c *planCache) put(key string, st *prepared) {
	if e := c.byKey[key]; e != nil {
		e.Value.(*cachedPlan).st = st
		c.order.MoveToFront(e)
		return
	}
	c.byKey[key] = c.order.PushFront(&cachedPlan{key, st})
	if c.order.Len() > maxPlans {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.byKey, last.Value.(*cachedPlan).key)
	}
}

func (c *planCache) clear() {
	clear(c.byKey)
	c.order.Init()
}

// planKey tells plans of one text apart.
func (s *Session) planKey(sql string, oids []uint32) string {
	var b strings.Builder
	b.WriteString(s.planSettings())
	for _, o := range oids {
		b.WriteString(strconv.FormatUint(uint64(o), 36))
		b.WriteByte(',')
	}
	b.WriteByte(0)
	b.WriteString(sql)
	return b.String()
}

// planSettings are the values of the settings that a plan depends on.
func (s *Session) planSettings() string {
	if s.planned.version != s.set.version || s.planned.text == "" {
		var b strings.Builder
		for _, name := range []string{"search_path", "weir.strict", "weir.flatten_documents", "weir.collation",
			"TimeZone", "DateStyle", "IntervalStyle"} {
			b.WriteString(s.set.value(name))
			b.WriteByte(0)
		}
		if s.temp.db != "" {
			b.WriteString(s.temp.db + itoa(s.temp.changes))
		}
		s.planned.text, s.planned.version = b.String(), s.set.version
	}
	return s.planned.text
}

// kept gives a statement analyzed before if what it was planned on is as it
// was and it may run now.
func (s *Session) kept(ctx context.Context, sql string, oids []uint32) *prepared {
	st := s.plans.get(s.planKey(sql, oids))
	if st == nil || s.tx.status == 'E' {
		return nil
	}
	q, ok := st.cmd.(*query)
	if !ok || !s.valid(ctx, q) {
		return nil
	}
	copied := *st
	return &copied
}
