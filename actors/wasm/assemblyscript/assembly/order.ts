// `order`: validates JSON, reads two records, takes from a stock atomically, writes the order and answers.
import { Buffer, constant, fail, isCalled, reply, request, same } from "./wapc";
import { writeDecimal } from "./decimal";
import { ended, number, parse, skip, take, text, textAt, textLength, unsigned } from "./json";
import { Found, add, get, set, sum, valueAt, valueLength } from "./keyvalue";
import { NOT_MINE, isName } from "./request";

const ORDER = constant("order");
const CUSTOMER = constant("customer");
const SKU = constant("sku");
const QUANTITY = constant("quantity");
const DISCOUNT = constant("discount");
const PRICE = constant("price");

/** The most items of one order. */
const MOST_ITEMS: u32 = 1000;
/** More than any key, record or reply needs: three names of at most 128 bytes, and numbers. */
const MOST: usize = 1024;

const key = new Buffer();
const record = new Buffer();
const answer = new Buffer();

let idAt: usize = 0;
let idLength: usize = 0;
let customerAt: usize = 0;
let customerLength: usize = 0;
let skuAt: usize = 0;
let skuLength: usize = 0;
let quantity: u32 = 0;
/** What `readRecord` read. */
let wanted: u64 = 0;

export function order(): i32 {
  if (!isCalled(ORDER)) return NOT_MINE;
  if (!readOrder()) {
    return fail("bad request: the order is not a JSON object of order, customer, sku and quantity");
  }
  if (!isName(idAt, idLength) || !isName(customerAt, customerLength) || !isName(skuAt, skuLength)) {
    return fail("bad request: order, customer and sku are names of 1 to 128 letters, digits, '-', '_', '.'");
  }
  if (quantity == 0 || quantity > MOST_ITEMS) return fail("bad request: quantity is not from 1 to 1000");
  return place();
}

/** An object of four fields, each of which comes once, and no others. */
function readOrder(): bool {
  parse(request.at, request.length);
  if (!take(0x7b)) return false;
  let fields = 0;
  do {
    if (!text() || !take(0x3a)) return false;
    let field: i32;
    if (same(textAt, textLength, QUANTITY)) {
      field = 8;
      if (!unsigned(u32.MAX_VALUE)) return false;
      quantity = <u32>number;
    } else {
      if (same(textAt, textLength, ORDER)) field = 1;
      else if (same(textAt, textLength, CUSTOMER)) field = 2;
      else if (same(textAt, textLength, SKU)) field = 4;
      else return false;
      if (!text()) return false;
      if (field == 1) { idAt = textAt; idLength = textLength; }
      else if (field == 2) { customerAt = textAt; customerLength = textLength; }
      else { skuAt = textAt; skuLength = textLength; }
    }
    if (fields & field) return false;
    fields |= field;
  } while (take(0x2c));
  return fields == 15 && take(0x7d) && ended();
}

/** Takes the items from the stock before it writes the order: two orders never share an item. */
function place(): i32 {
  makeKey("customer:", customerAt, customerLength);
  const customer = get(key.at, key.length);
  if (customer == Found.Failed) return 0;
  if (customer == Found.Missing) return reject("unknown customer");
  // The next response takes this one's place; a damaged record is told of only if that call succeeds.
  const sound = readRecord(DISCOUNT, u64.MAX_VALUE);
  const discount = min<u64>(wanted, 100);
  makeKey("product:", skuAt, skuLength);
  const product = get(key.at, key.length);
  if (product == Found.Failed) return 0;
  if (!sound) {
    makeKey("customer:", customerAt, customerLength);
    return failDamaged();
  }
  if (product == Found.Missing) return reject("unknown product");
  if (!readRecord(PRICE, u32.MAX_VALUE)) return failDamaged();
  const price = wanted;

  makeKey("stock:", skuAt, skuLength);
  if (!add(key.at, key.length, -<i32>quantity)) return 0;
  const stock = sum;
  if (stock < 0) {
    if (!add(key.at, key.length, quantity)) return 0;
    return reject("out of stock", true);
  }
  const total = price * quantity * (100 - discount) / 100;
  writeRecord(total);
  makeKey("order:", idAt, idLength);
  if (!set(key.at, key.length, record.at, record.length)) return 0;
  beginAnswer("accepted");
  answer.text(',"total":');
  writeDecimal(total, answer);
  return endAnswer(stock);
}

function makeKey(prefix: string, at: usize, length: usize): void {
  key.reset(MOST);
  key.text(prefix);
  key.bytes(at, length);
}

/** Reads a field, which comes once, of a record that may have others; it is in `wanted` then. */
function readRecord(name: Buffer, most: u64): bool {
  parse(valueAt, valueLength);
  wanted = 0;
  if (!take(0x7b)) return false;
  let found = false;
  do {
    if (!text() || !take(0x3a)) return false;
    if (!same(textAt, textLength, name)) {
      if (!skip()) return false;
      continue;
    }
    if (found || !unsigned(most)) return false;
    found = true;
    wanted = number;
  } while (take(0x2c));
  return found && take(0x7d) && ended();
}

function failDamaged(): i32 {
  return fail("record ", key.at, key.length, " is damaged: it is not what the app writes there");
}

function writeRecord(total: u64): void {
  record.reset(MOST);
  record.text('{"customer":"');
  record.bytes(customerAt, customerLength);
  record.text('","sku":"');
  record.bytes(skuAt, skuLength);
  record.text('","quantity":');
  writeDecimal(quantity, record);
  record.text(',"total":');
  writeDecimal(total, record);
  record.byte(0x7d);
}

/** A decision up to its status: names need no escapes. */
function beginAnswer(status: string): void {
  answer.reset(MOST);
  answer.text('{"order":"');
  answer.bytes(idAt, idLength);
  answer.text('","status":"');
  answer.text(status);
  answer.byte(0x22);
}

function endAnswer(stock: i64): i32 {
  answer.text(',"stock":');
  writeDecimal(stock, answer);
  answer.byte(0x7d);
  return reply(answer.at, answer.length);
}

function reject(reason: string, withStock: bool = false): i32 {
  beginAnswer("rejected");
  answer.text(',"reason":"');
  answer.text(reason);
  answer.byte(0x22);
  if (withStock) return endAnswer(sum);
  answer.byte(0x7d);
  return reply(answer.at, answer.length);
}
