// `order`: validates JSON, reads two records, takes from a stock atomically, writes the order and answers.
#include "decimal.h"
#include "faults.h"
#include "json.h"
#include "keyvalue.h"
#include "request.h"
#include "wapc.h"

typedef struct {
    bytes order, customer, sku;
    uint64_t quantity;
} order_request;

static int reject(const order_request *placed, bytes reason, bytes stock) {
    bytes reply;
    if (!JOIN(&reply, TEXT("{\"order\":\""), placed->order, TEXT("\",\"status\":\"rejected\",\"reason\":\""), reason,
              TEXT("\""), stock, TEXT("}")))
        return REFUSED;
    return answer_with(reply);
}

// The number of this name in a record; the call has failed if the record is not an object that has it.
static bool number_of(bytes key, bytes record, bytes name, uint64_t most, uint64_t *number) {
    field fields[] = {{.name = name, .number = number}};
    if (object(record, fields, 1, SKIP_UNKNOWN) && *number <= most) return true;
    return REFUSE(TEXT("record "), key, TEXT(" is damaged: it is not what the app writes there"));
}

// Takes the items from the stock before it writes the order: two orders never share an item.
static int place(const order_request *placed) {
    bytes customer_key, product_key, stock_key, order_key, customer, product, record, reply;
    if (!JOIN(&customer_key, TEXT("customer:"), placed->customer) ||
        !JOIN(&product_key, TEXT("product:"), placed->sku) || !JOIN(&stock_key, TEXT("stock:"), placed->sku) ||
        !JOIN(&order_key, TEXT("order:"), placed->order))
        return REFUSED;
    enum found has_customer = keyvalue_get(customer_key, &customer);
    if (has_customer == FAILED) return REFUSED;
    if (has_customer == ABSENT) return reject(placed, TEXT("unknown customer"), TEXT(""));
    enum found has_product = keyvalue_get(product_key, &product);
    uint64_t discount, price;
    if (has_product == FAILED) return REFUSED;
    if (!number_of(customer_key, customer, TEXT("discount"), UINT64_MAX, &discount)) return REFUSED;
    if (has_product == ABSENT) return reject(placed, TEXT("unknown product"), TEXT(""));
    if (!number_of(product_key, product, TEXT("price"), UINT32_MAX, &price)) return REFUSED;

    int64_t stock;
    int32_t quantity = placed->quantity;
    digits stock_room, total_room, quantity_room;
    if (!keyvalue_add(stock_key, -quantity, &stock)) return REFUSED;
    if (stock < 0) {
        bytes left;
        if (!keyvalue_add(stock_key, quantity, &stock) || !JOIN(&left, TEXT(",\"stock\":"), decimal(stock, stock_room)))
            return REFUSED;
        return reject(placed, TEXT("out of stock"), left);
    }
    bytes total = decimal(price * placed->quantity * (discount < 100 ? 100 - discount : 0) / 100, total_room);
    if (!JOIN(&record, TEXT("{\"customer\":\""), placed->customer, TEXT("\",\"sku\":\""), placed->sku,
              TEXT("\",\"quantity\":"), decimal(quantity, quantity_room), TEXT(",\"total\":"), total, TEXT("}")) ||
        !keyvalue_set(order_key, record) ||
        !JOIN(&reply, TEXT("{\"order\":\""), placed->order, TEXT("\",\"status\":\"accepted\",\"total\":"), total,
              TEXT(",\"stock\":"), decimal(stock, stock_room), TEXT("}")))
        return REFUSED;
    return answer_with(reply);
}

static int order(bytes request) {
    order_request placed;
    field fields[] = {
        {.name = TEXT("order"), .text = &placed.order},
        {.name = TEXT("customer"), .text = &placed.customer},
        {.name = TEXT("sku"), .text = &placed.sku},
        {.name = TEXT("quantity"), .number = &placed.quantity},
    };
    if (!object(request, fields, 4, REFUSE_UNKNOWN) || placed.quantity > UINT32_MAX)
        return BAD("the order is not a JSON object of order, customer, sku and quantity");
    if (!is_name(placed.order) || !is_name(placed.customer) || !is_name(placed.sku))
        return BAD("order, customer and sku are names of 1 to 128 letters, digits, '-', '_', '.'");
    if (placed.quantity < 1 || placed.quantity > 1000) return BAD("quantity is not from 1 to 1000");
    return place(&placed);
}

#define ORDER ANSWER("order", order)

#ifndef ALL
SERVE(ORDER FAULTS)
#endif
