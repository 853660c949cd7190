// Package order validates JSON, reads two records, takes from a stock atomically, writes the order and answers.
package order

import (
	"math"
	"strconv"

	"pillion/guests/keyvalue"
	"pillion/guests/parse"
	"pillion/guests/wapc"
)

// The most items of one order.
const mostItems = 1000

func init() {
	wapc.Handle("order", handle)
}

type order struct {
	id, customer, sku []byte
	quantity          uint64
}

// What each call uses again; names bound their length.
var key, record, reply []byte

func handle(request []byte) ([]byte, error) {
	o, ok := read(request)
	if !ok {
		return nil, wapc.Error("bad request: the order is not a JSON object of order, customer, sku and quantity")
	}
	if !parse.IsName(o.id) || !parse.IsName(o.customer) || !parse.IsName(o.sku) {
		return nil, wapc.Error("bad request: order, customer and sku are names of 1 to 128 letters, digits, '-', '_', '.'")
	}
	if o.quantity < 1 || o.quantity > mostItems {
		return nil, wapc.Error("bad request: quantity is not from 1 to 1000")
	}
	return o.place()
}

// read reads an object of four fields, each of which comes once, and no others.
func read(request []byte) (o order, ok bool) {
	j := parse.Of(request)
	if !j.Take('{') {
		return o, false
	}
	seen := 0
	for more := true; more; more = j.Take(',') {
		name, ok := j.Text()
		if !ok || !j.Take(':') {
			return o, false
		}
		field := 0
		switch string(name) {
		case "order":
			field = 1
			o.id, ok = j.Text()
		case "customer":
			field = 2
			o.customer, ok = j.Text()
		case "sku":
			field = 4
			o.sku, ok = j.Text()
		case "quantity":
			field = 8
			o.quantity, ok = j.Unsigned(math.MaxUint32)
		}
		if !ok || field == 0 || seen&field != 0 {
			return o, false
		}
		seen |= field
	}
	return o, seen == 15 && j.Take('}') && j.Ended()
}

// place takes the items from the stock before it writes the order: two orders never share an item.
func (o *order) place() ([]byte, error) {
	customer, exists, err := keyvalue.Get(keyOf("customer:", o.customer))
	if err != nil {
		return nil, err
	}
	if !exists {
		return o.reject("unknown customer"), nil
	}
	// The next response takes this one's place; a damaged record is told of only if that call succeeds.
	discount, sound := field(customer, "discount", math.MaxUint64)
	product, exists, err := keyvalue.Get(keyOf("product:", o.sku))
	switch {
	case err != nil:
		return nil, err
	case !sound:
		return nil, damaged(keyOf("customer:", o.customer))
	case !exists:
		return o.reject("unknown product"), nil
	}
	price, sound := field(product, "price", math.MaxUint32)
	if !sound {
		return nil, damaged(key)
	}

	stock, err := keyvalue.Add(keyOf("stock:", o.sku), -int32(o.quantity))
	if err != nil {
		return nil, err
	}
	if stock < 0 {
		stock, err = keyvalue.Add(key, int32(o.quantity))
		if err != nil {
			return nil, err
		}
		return withStock(o.reject("out of stock"), stock), nil
	}
	total := price * o.quantity * (100 - min(discount, 100)) / 100
	o.write(total)
	if err := keyvalue.Set(keyOf("order:", o.id), record); err != nil {
		return nil, err
	}
	o.decide("accepted")
	reply = strconv.AppendUint(append(reply, `,"total":`...), total, 10)
	reply = append(reply, '}')
	return withStock(reply, stock), nil
}

func keyOf(prefix string, name []byte) []byte {
	key = append(append(key[:0], prefix...), name...)
	return key
}

// field reads a field, which comes once, of a record that may have others.
func field(record []byte, field string, most uint64) (number uint64, ok bool) {
	j := parse.Of(record)
	if !j.Take('{') {
		return 0, false
	}
	found := false
	for more := true; more; more = j.Take(',') {
		name, ok := j.Text()
		if !ok || !j.Take(':') {
			return 0, false
		}
		if string(name) != field {
			ok = j.Skip()
		} else if number, ok = j.Unsigned(most); found {
			ok = false
		} else {
			found = true
		}
		if !ok {
			return 0, false
		}
	}
	return number, found && j.Take('}') && j.Ended()
}

func damaged(key []byte) error {
	return wapc.Error("record " + string(key) + " is damaged: it is not what the app writes there")
}

// write makes the order's record. Names need no escapes.
func (o *order) write(total uint64) {
	record = append(append(record[:0], `{"customer":"`...), o.customer...)
	record = append(append(record, `","sku":"`...), o.sku...)
	record = strconv.AppendUint(append(record, `","quantity":`...), o.quantity, 10)
	record = strconv.AppendUint(append(record, `,"total":`...), total, 10)
	record = append(record, '}')
}

// decide begins a reply.
func (o *order) decide(status string) {
	reply = append(append(reply[:0], `{"order":"`...), o.id...)
	reply = append(append(reply, `","status":"`...), status...)
	reply = append(reply, '"')
}

func (o *order) reject(reason string) []byte {
	o.decide("rejected")
	reply = append(append(reply, `,"reason":"`...), reason...)
	reply = append(reply, `"}`...)
	return reply
}

// withStock puts the stock behind the last field of a decision.
func withStock(decision []byte, stock int64) []byte {
	decision = append(decision[:len(decision)-1], `,"stock":`...)
	decision = strconv.AppendInt(decision, stock, 10)
	return append(decision, '}')
}
