package demo

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// Activity is the business that goes on: orders are placed, paid, shipped or
// fail; stock moves; users sign up, change and leave.
type Activity struct {
	data  *Data
	st    store.Store
	rate  float64 // writes per second
	open  []*step
	limit int
}

// step is an order and what happens to it next.
type step struct {
	order *order
	next  func(ctx context.Context, o *order) (bool, error) // false: the process has ended
}

// NewActivity makes the activity over a loaded data set, at so many writes a second.
func NewActivity(data *Data, st store.Store, rate float64) *Activity {
	const openOrders = 200
	return &Activity{data: data, st: st, rate: rate, limit: openOrders}
}

// Run writes at the set rate until ctx ends.
func (a *Activity) Run(ctx context.Context) error {
	if a.rate <= 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(max(time.Millisecond, time.Duration(float64(time.Second)/a.rate)))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := a.Step(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// Step does one thing.
func (a *Activity) Step(ctx context.Context) error {
	d := a.data
	switch n := d.rng.IntN(100); {
	case n < 12:
		return a.changeUser(ctx)
	case n < 16:
		return a.signUp(ctx)
	case n < 40 && len(a.open) < a.limit || len(a.open) == 0:
		return a.place(ctx)
	}
	i := d.rng.IntN(len(a.open))
	s := a.open[i]
	goesOn, err := s.next(ctx, s.order)
	if !goesOn {
		a.open[i] = a.open[len(a.open)-1]
		a.open = a.open[:len(a.open)-1]
	}
	return err
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func (a *Activity) place(ctx context.Context) error {
	o := a.data.newOrder(now())
	if err := insert(ctx, a.st, "orders", []any{o.doc}); err != nil {
		return err
	}
	s := &step{order: o}
	s.next = func(ctx context.Context, o *order) (bool, error) { return a.reserve(ctx, s, o) }
	a.open = append(a.open, s)
	return nil
}

func (a *Activity) reserve(ctx context.Context, s *step, o *order) (bool, error) {
	it := o.items[0]
	s.next = func(ctx context.Context, o *order) (bool, error) { return a.pay(ctx, s, o) }
	return true, update(ctx, a.st, "inventory", it.sku, bson.D{
		{Key: "$inc", Value: bson.D{{Key: "on_hand", Value: -it.qty}, {Key: "reserved", Value: it.qty}}},
		{Key: "$set", Value: bson.D{{Key: "updated_at", Value: now()}, {Key: "metadata", Value: o.metadata("inventory_service", "order_service", "reserve_stock")}}}})
}

func (a *Activity) pay(ctx context.Context, s *step, o *order) (bool, error) {
	ok := !a.data.chance(12)
	if err := insert(ctx, a.st, "payments", []any{a.data.payment(o, now(), ok)}); err != nil {
		return false, err
	}
	if !ok {
		s.next = func(ctx context.Context, o *order) (bool, error) {
			return false, a.setStatus(ctx, o, "failed", "failed_at")
		}
		return true, nil
	}
	s.next = func(ctx context.Context, o *order) (bool, error) {
		s.next = func(ctx context.Context, o *order) (bool, error) { return a.ship(ctx, s, o) }
		return true, a.setStatus(ctx, o, "paid", "paid_at")
	}
	return true, nil
}

func (a *Activity) ship(ctx context.Context, s *step, o *order) (bool, error) {
	if err := insert(ctx, a.st, "shipments", []any{a.data.shipment(o, now(), "shipped")}); err != nil {
		return false, err
	}
	s.next = func(ctx context.Context, o *order) (bool, error) {
		return false, a.setStatus(ctx, o, "shipped", "shipped_at")
	}
	return true, nil
}

func (a *Activity) setStatus(ctx context.Context, o *order, status, stamp string) error {
	return update(ctx, a.st, "orders", o.id, bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: status}, {Key: stamp, Value: now()},
		{Key: "metadata", Value: o.metadata("order_service", "notification_service", "order_"+status)}}}})
}

func (a *Activity) signUp(ctx context.Context) error {
	d, t := a.data, now()
	id := d.objectID(t)
	doc := d.user(id, len(d.users), t)
	doc[1].Value = fmt.Sprintf("new-%s@example.com", id.Hex()[8:])
	if err := insert(ctx, a.st, "users", []any{doc}); err != nil {
		return err
	}
	d.users = append(d.users, id)
	return insert(ctx, a.st, "user_preferences", []any{bson.D{{Key: "_id", Value: id}, {Key: "language", Value: "en"}, {Key: "newsletter", Value: d.chance(40)}}})
}

// changeUser changes a field that the user service cares for, one that it does
// not, or deletes the user.
func (a *Activity) changeUser(ctx context.Context) error {
	d := a.data
	i := d.rng.IntN(len(d.users))
	id := d.users[i]
	switch n := d.rng.IntN(20); {
	case n == 0 && len(d.users) > userCount:
		d.users[i] = d.users[len(d.users)-1]
		d.users = d.users[:len(d.users)-1]
		return remove(ctx, a.st, "users", id)
	case n < 6:
		return update(ctx, a.st, "users", id, bson.D{{Key: "$inc", Value: bson.D{{Key: "logins", Value: int64(1)}}}})
	case n < 12:
		return update(ctx, a.st, "user_preferences", id, bson.D{{Key: "$set", Value: bson.D{{Key: "newsletter", Value: d.chance(50)}}}})
	case n < 16:
		return update(ctx, a.st, "users", id, bson.D{{Key: "$set", Value: bson.D{{Key: "subscription_tier", Value: pick(d.rng, tiers)}}}})
	}
	return update(ctx, a.st, "users", id, bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: pick(d.rng, []string{"active", "blocked", "invited"})}}}})
}
