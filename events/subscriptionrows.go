package events

import (
	"context"
	"io"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/store"
)

// subscriptionRows is EVENT_SUBSCRIPTIONS(). What is known of a subscription is put
// together as its row is read; a filter on ids or names leaves the others out.
func (m *Manager) subscriptionRows(ctx context.Context, s catalog.Session, _ []bson.RawValue) (catalog.FunctionRows, error) {
	subs := m.found(s.Database())
	for column, of := range map[string]func(*found) string{
		"subscription_id":   func(f *found) string { return f.ID },
		"subscription_name": func(f *found) string { return f.Spec.Name },
	} {
		if wanted, ok := catalog.Wanted(ctx, column); ok {
			subs = slices.DeleteFunc(subs, func(f found) bool { return !slices.Contains(wanted, of(&f)) })
		}
	}
	rows, err := m.readSubscriptions(ctx, s.Database(), subs)
	return catalog.FunctionRows{Rows: rows}, err
}

// readSubscriptions gives the rows of some subscriptions of a database.
func (m *Manager) readSubscriptions(ctx context.Context, database string, subs []found) (store.Cursor, error) {
	if len(subs) == 0 {
		return &rowCursor{}, nil
	}
	stream, err := m.readerRow(ctx, database)
	if err != nil {
		return nil, err
	}
	counted, err := m.counted(ctx, database)
	if err != nil {
		return nil, err
	}
	asked := make(map[string]totals, len(subs))
	for i := range subs {
		asked[subs[i].ID] = counted[subs[i].ID]
	}
	figures, err := m.figures(ctx, asked)
	if err != nil {
		return nil, err
	}
	var read value.Builder // of the shared stream
	for _, name := range []string{"gateway", "resume_token", "resume_token_timestamp", "resume_token_lag_seconds"} {
		read.Add(name, value.Lookup(stream, name))
	}
	return &subscriptionCursor{m: m, subs: subs, counted: asked, figures: figures, stream: read.Doc()}, nil
}

// subscriptionCursor is a store.Cursor over subscriptions.
type subscriptionCursor struct {
	m       *Manager
	subs    []found
	counted map[string]totals
	figures map[string]figure
	stream  bson.Raw
}

// Next implements store.Cursor.
func (c *subscriptionCursor) Next(context.Context) (bson.Raw, error) {
	if len(c.subs) == 0 {
		return nil, io.EOF
	}
	s := &c.subs[0]
	c.subs = c.subs[1:]
	return subscriptionRow(c.m.shownOf(s), s, c.counted[s.ID], c.figures[s.ID], c.stream), nil
}

// Close implements store.Cursor.
func (c *subscriptionCursor) Close() error { return nil }

// shownOf gives what is shown of a subscription's definition, which is made once.
func (m *Manager) shownOf(s *found) bson.Raw {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.sub.shownOf != s.Spec {
		s.sub.shown, s.sub.shownOf = definitionRow(s.Spec), s.Spec
	}
	return s.sub.shown
}

// definitionRow are the columns that follow from a definition alone.
func definitionRow(spec *Spec) bson.Raw {
	d := bson.D{{Key: "subscription_id", Value: spec.ID}, {Key: "subscription_name", Value: spec.Name}, {Key: "database_name", Value: spec.Database},
		{Key: "collections", Value: spec.Collections}, {Key: "event_types", Value: spec.EventTypes},
		{Key: "options", Value: spec.Options()}, {Key: "tags", Value: spec.Tags}}
	for _, o := range []struct{ name, value string }{
		{"service_name", spec.ServiceName}, {"sink", string(spec.Target.Kind)}, {"target", spec.Target.Shown()},
		{"description", spec.Description}, {"created_by", spec.CreatedBy},
	} {
		if o.value != "" {
			d = append(d, bson.E{Key: o.name, Value: o.value})
		}
	}
	if len(spec.Filter) > 0 {
		d = append(d, bson.E{Key: "event_filter", Value: spec.Filter})
	}
	return marshal(d)
}

// health is a status as it is shown: an active subscription some of whose keys are
// held up by failures is degraded.
func (f *figure) health(status string) string {
	if status == StateActive && f.retrying+f.blocked > 0 {
		return StateDegraded
	}
	return status
}

// subscriptionRow adds to a definition what changes.
func subscriptionRow(shown bson.Raw, s *found, t totals, f figure, stream bson.Raw) bson.Raw {
	start, dst := value.BeginDocument(make([]byte, 0, len(shown)+len(stream)+768))
	dst = append(dst, shown[4:len(shown)-1]...)
	dst = append(dst, stream[4:len(stream)-1]...)
	date := func(key string, at time.Time) {
		if !at.IsZero() {
			dst = value.AppendElement(dst, key, value.Date(at.UnixMilli()))
		}
	}
	for _, o := range [...]struct{ name, value string }{
		{"status", f.health(s.status())}, {"desired_status", s.Desired}, {"status_reason", s.Reason}, {"position", t.Position}, {"last_error", t.LastError},
	} {
		if o.value != "" {
			dst = value.AppendElement(dst, o.name, value.String(o.value))
		}
	}
	for _, o := range [...]struct {
		name string
		n    int64
	}{
		{"pending", f.pending}, {"retrying", f.retrying}, {"blocked_keys", f.blocked}, {"dead_open", f.dead},
		{"events_total", t.Total}, {"delivered_total", t.Delivered}, {"failed_total", t.Failed},
	} {
		dst = value.AppendElement(dst, o.name, value.Int64(o.n))
	}
	dst = value.AppendElement(dst, "version", value.Int32(s.Version))
	date("status_since", s.Since)
	date("created_at", s.CreatedAt)
	date("updated_at", s.UpdatedAt)
	date("last_event_at", t.LastEvent)
	date("last_success_at", t.LastSuccess)
	return value.EndDocument(dst, start)
}
