package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// Sizes of the data set.
const (
	userCount    = 500
	productCount = 120
	orderCount   = 1500
)

// Data is the data set, and what the activity needs to know of it.
type Data struct {
	rng      *rand.Rand
	now      time.Time
	users    []bson.ObjectID
	products []product
	nextNo   int // of the next order
}

type product struct {
	sku   string
	name  string
	cents int64
}

// NewData prepares the data set of a seed; its dates lie before now.
func NewData(seed uint64, now time.Time) *Data {
	return &Data{rng: rand.New(rand.NewPCG(seed, 0x77656972)), now: now.UTC().Truncate(time.Millisecond), nextNo: 10001}
}

// Load writes the whole data set into an empty database. Indexes are made too.
func (d *Data) Load(ctx context.Context, st store.Store) error {
	products, inventory := d.makeProducts()
	users, profiles, preferences := d.makeUsers()
	orders, payments, shipments := d.makeOrders()
	for _, c := range []struct {
		name string
		docs []any
	}{
		{"products", products}, {"inventory", inventory}, {"users", users}, {"user_profiles", profiles},
		{"user_preferences", preferences}, {"orders", orders}, {"payments", payments}, {"shipments", shipments},
	} {
		if err := insert(ctx, st, c.name, c.docs); err != nil {
			return err
		}
	}
	return makeIndexes(ctx, st)
}

func makeIndexes(ctx context.Context, st store.Store) error {
	for _, ix := range []struct {
		coll, name string
		key        bson.D
		unique     bool
	}{
		{"users", "email_1", bson.D{{Key: "email", Value: 1}}, true},
		{"user_profiles", "user_id_1", bson.D{{Key: "user_id", Value: 1}}, true},
		{"products", "sku_1", bson.D{{Key: "sku", Value: 1}}, true},
		{"inventory", "sku_1", bson.D{{Key: "sku", Value: 1}}, true},
		{"orders", "customer_id_1", bson.D{{Key: "customer_id", Value: 1}}, false},
		{"orders", "placed_at_-1", bson.D{{Key: "placed_at", Value: -1}}, false},
		{"payments", "order_id_1", bson.D{{Key: "order_id", Value: 1}}, false},
		{"shipments", "order_id_1", bson.D{{Key: "order_id", Value: 1}}, false},
	} {
		cmd, err := bson.Marshal(bson.D{{Key: "createIndexes", Value: ix.coll}, {Key: "indexes", Value: bson.A{
			bson.D{{Key: "key", Value: ix.key}, {Key: "name", Value: ix.name}, {Key: "unique", Value: ix.unique}}}}})
		if err != nil {
			return err
		}
		if _, err := st.Command(ctx, Database, cmd); err != nil {
			return fmt.Errorf("index %s of %s: %w", ix.name, ix.coll, err)
		}
	}
	return nil
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func (d *Data) chance(percent int) bool { return d.rng.IntN(100) < percent }

// past gives a time up to so many days ago.
func (d *Data) past(days int) time.Time {
	return d.now.Add(-time.Duration(d.rng.Int64N(int64(days)*24*3600*1000)) * time.Millisecond)
}

// objectID makes an ObjectId of the seed, not of the clock.
func (d *Data) objectID(t time.Time) bson.ObjectID {
	id := bson.NewObjectIDFromTimestamp(t)
	for i := 4; i < len(id); i++ {
		id[i] = byte(d.rng.Uint32())
	}
	return id
}

// money makes a decimal of cents, with two digits after the point.
func money(cents int64) bson.Decimal128 {
	dec, err := bson.ParseDecimal128(fmt.Sprintf("%d.%02d", cents/100, cents%100))
	if err != nil {
		panic(err) // digits and a point always parse
	}
	return dec
}

var (
	firstNames = []string{"Ada", "Björn", "Chidi", "Dolores", "Emeka", "Fatima", "Grace", "Hiro", "Ingrid", "João", "Katya", "Liam", "Mei", "Noor", "Olga", "Priya", "Quentin", "Rosa", "Søren", "Tomás", "Uma", "Viktor", "Wanjiru", "Ximena", "Yusuf", "Zoë"}
	lastNames  = []string{"Andersson", "Bauer", "Costa", "Dubois", "Eze", "Fischer", "García", "Haddad", "Ivanova", "Jensen", "Kim", "López", "Müller", "Nakamura", "O'Brien", "Petrov", "Rossi", "Singh", "Tanaka", "Wójcik", "Yılmaz", "Zhang"}
	cities     = [][2]string{{"Berlin", "DE"}, {"Lyon", "FR"}, {"Porto", "PT"}, {"Nairobi", "KE"}, {"Osaka", "JP"}, {"Austin", "US"}, {"Lagos", "NG"}, {"Kraków", "PL"}, {"Mumbai", "IN"}, {"Malmö", "SE"}}
	tiers      = []string{"free", "free", "free", "plus", "pro"}
	interests  = []string{"books", "cycling", "cooking", "games", "garden", "music", "travel", "woodwork"}
	adjectives = []string{"Compact", "Durable", "Elegant", "Folding", "Lightweight", "Modular", "Quiet", "Rugged", "Smart", "Solar"}
	nouns      = []string{"Backpack", "Bottle", "Camera", "Desk", "Headphones", "Keyboard", "Lamp", "Monitor", "Stove", "Tent", "Watch", "Wrench"}
	categories = []string{"audio", "camping", "home", "office", "tools", "travel"}
	carriers   = []string{"DHL", "FedEx", "GLS", "PostNord", "UPS"}
	methods    = []string{"card", "card", "card", "paypal", "sepa", "invoice"}
)

func (d *Data) makeProducts() (products, inventory []any) {
	for i := range productCount {
		p := product{
			sku:   fmt.Sprintf("SKU-%04d", i+1),
			name:  adjectives[i%len(adjectives)] + " " + nouns[(i/len(adjectives))%len(nouns)],
			cents: 499 + d.rng.Int64N(49500),
		}
		d.products = append(d.products, p)
		doc := bson.D{{Key: "_id", Value: d.objectID(d.past(900))}, {Key: "sku", Value: p.sku}, {Key: "name", Value: p.name},
			{Key: "category", Value: categories[i%len(categories)]}, {Key: "price", Value: money(p.cents)},
			{Key: "weight_kg", Value: float64(d.rng.IntN(9000)+100) / 1000},
			{Key: "tags", Value: bson.A{pick(d.rng, interests), pick(d.rng, interests)}},
			{Key: "dimensions", Value: bson.D{{Key: "w", Value: int32(d.rng.IntN(90) + 5)}, {Key: "h", Value: int32(d.rng.IntN(90) + 5)}, {Key: "d", Value: int32(d.rng.IntN(90) + 5)}}},
			{Key: "active", Value: !d.chance(8)}}
		if d.chance(20) {
			doc = append(doc, bson.E{Key: "discontinued_at", Value: nil})
		}
		products = append(products, doc)
		inventory = append(inventory, bson.D{{Key: "_id", Value: p.sku}, {Key: "sku", Value: p.sku},
			{Key: "on_hand", Value: int32(d.rng.IntN(400) + 100)}, {Key: "reserved", Value: int32(0)},
			{Key: "warehouse", Value: pick(d.rng, []string{"north", "south", "west"})}, {Key: "updated_at", Value: d.past(20)}})
	}
	return products, inventory
}

func (d *Data) makeUsers() (users, profiles, preferences []any) {
	for i := range userCount {
		created := d.past(700)
		id := d.objectID(created)
		d.users = append(d.users, id)
		users = append(users, d.user(id, i, created))
		city := pick(d.rng, cities)
		profile := bson.D{{Key: "_id", Value: d.objectID(created)}, {Key: "user_id", Value: id},
			{Key: "address", Value: bson.D{{Key: "city", Value: city[0]}, {Key: "country", Value: city[1]}, {Key: "zip", Value: fmt.Sprintf("%05d", d.rng.IntN(100000))}}},
			{Key: "interests", Value: bson.A{pick(d.rng, interests), pick(d.rng, interests)}}}
		if d.chance(60) {
			profile = append(profile, bson.E{Key: "birth_date", Value: time.Date(1950+d.rng.IntN(55), time.Month(1+d.rng.IntN(12)), 1+d.rng.IntN(28), 0, 0, 0, 0, time.UTC)})
		}
		profiles = append(profiles, profile)
		preferences = append(preferences, bson.D{{Key: "_id", Value: id}, {Key: "language", Value: pick(d.rng, []string{"de", "en", "es", "fr", "ja"})},
			{Key: "newsletter", Value: d.chance(40)}, {Key: "notifications", Value: bson.D{{Key: "email", Value: d.chance(80)}, {Key: "push", Value: d.chance(50)}}}})
	}
	return users, profiles, preferences
}

func (d *Data) user(id bson.ObjectID, i int, created time.Time) bson.D {
	first, last := pick(d.rng, firstNames), pick(d.rng, lastNames)
	doc := bson.D{{Key: "_id", Value: id}, {Key: "email", Value: fmt.Sprintf("user%04d@example.com", i+1)},
		{Key: "name", Value: first + " " + last}, {Key: "status", Value: pick(d.rng, []string{"active", "active", "active", "invited", "blocked"})},
		{Key: "subscription_tier", Value: pick(d.rng, tiers)}, {Key: "logins", Value: int64(d.rng.IntN(900))}, {Key: "created_at", Value: created}}
	switch d.rng.IntN(10) {
	case 0: // the phone is missing
	case 1:
		doc = append(doc, bson.E{Key: "phone", Value: nil})
	default:
		doc = append(doc, bson.E{Key: "phone", Value: fmt.Sprintf("+49 30 %07d", d.rng.IntN(10000000))})
	}
	return doc
}

func (d *Data) makeOrders() (orders, payments, shipments []any) {
	for range orderCount {
		placed := d.past(90)
		o := d.newOrder(placed)
		status := pick(d.rng, []string{"delivered", "delivered", "delivered", "shipped", "paid", "cancelled", "failed"})
		o.set("status", status)
		orders = append(orders, o.doc)
		paid := placed.Add(time.Duration(d.rng.IntN(3600)) * time.Second)
		if status != "cancelled" {
			payments = append(payments, d.payment(o, paid, status != "failed"))
		}
		if status == "shipped" || status == "delivered" {
			shipments = append(shipments, d.shipment(o, paid.Add(26*time.Hour), status))
		}
	}
	return orders, payments, shipments
}

// order is an order document and what the later steps need of it.
type order struct {
	id          bson.ObjectID
	doc         bson.D
	cents       int64
	items       []item
	correlation string
	process     string
}

type item struct {
	sku string
	qty int32
}

func (o *order) set(key string, v any) {
	for i := range o.doc {
		if o.doc[i].Key == key {
			o.doc[i].Value = v
			return
		}
	}
	o.doc = append(o.doc, bson.E{Key: key, Value: v})
}

func (d *Data) newOrder(placed time.Time) *order {
	o := &order{id: d.objectID(placed)}
	o.correlation = fmt.Sprintf("corr-%08x-%04x", d.rng.Uint32(), d.rng.Uint32()&0xffff)
	o.process = fmt.Sprintf("order-%d", d.nextNo)
	lines := bson.A{}
	for range 1 + d.rng.IntN(4) {
		p, qty := pick(d.rng, d.products), int32(1+d.rng.IntN(3))
		o.cents += p.cents * int64(qty)
		o.items = append(o.items, item{p.sku, qty})
		lines = append(lines, bson.D{{Key: "sku", Value: p.sku}, {Key: "name", Value: p.name}, {Key: "qty", Value: qty}, {Key: "price", Value: money(p.cents)}})
	}
	city := pick(d.rng, cities)
	o.doc = bson.D{{Key: "_id", Value: o.id}, {Key: "order_no", Value: int32(d.nextNo)}, {Key: "customer_id", Value: pick(d.rng, d.users)},
		{Key: "status", Value: "placed"}, {Key: "items", Value: lines}, {Key: "order_total", Value: money(o.cents)}, {Key: "currency", Value: "EUR"},
		{Key: "shipping", Value: bson.D{{Key: "city", Value: city[0]}, {Key: "country", Value: city[1]}}}, {Key: "placed_at", Value: placed},
		{Key: "metadata", Value: o.metadata("order_service", "payment_service", "place_order")}}
	if d.chance(15) {
		o.set("coupon", pick(d.rng, []any{"WELCOME10", "SPRING", nil}))
	}
	d.nextNo++
	return o
}

// metadata is what each document of a business process carries: who wrote it,
// for whom, and to which process it belongs.
func (o *order) metadata(source, target, interaction string) bson.D {
	return bson.D{{Key: "correlationId", Value: o.correlation}, {Key: "businessProcessId", Value: o.process},
		{Key: "source_service", Value: source}, {Key: "target_service", Value: target}, {Key: "interaction_type", Value: interaction}}
}

func (d *Data) payment(o *order, at time.Time, ok bool) bson.D {
	status := "captured"
	if !ok {
		status = "declined"
	}
	return bson.D{{Key: "_id", Value: d.objectID(at)}, {Key: "order_id", Value: o.id}, {Key: "amount", Value: money(o.cents)}, {Key: "method", Value: pick(d.rng, methods)},
		{Key: "status", Value: status}, {Key: "paid_at", Value: at}, {Key: "metadata", Value: o.metadata("payment_service", "order_service", "capture_payment")}}
}

func (d *Data) shipment(o *order, at time.Time, status string) bson.D {
	doc := bson.D{{Key: "_id", Value: d.objectID(at)}, {Key: "order_id", Value: o.id}, {Key: "carrier", Value: pick(d.rng, carriers)},
		{Key: "tracking", Value: fmt.Sprintf("TRK%010d", d.rng.Int64N(1e10))}, {Key: "status", Value: status}, {Key: "shipped_at", Value: at},
		{Key: "parcels", Value: int32(1 + len(o.items)/2)}, {Key: "metadata", Value: o.metadata("shipping_service", "notification_service", "dispatch")}}
	if status == "delivered" {
		doc = append(doc, bson.E{Key: "delivered_at", Value: at.Add(50 * time.Hour)})
	}
	return doc
}
