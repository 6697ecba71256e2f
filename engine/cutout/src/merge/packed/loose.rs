//! Objects without a template: their fields are read out of the file one by one.

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use spolia_hdf5_format::Reader;
use spolia_hdf5_format::copy::Copier;
use spolia_hdf5_format::write::HeapBuilder;

use super::field::{Field, fields};
use super::filling::{Filling, Gathered};
use crate::error::CutoutError;
use crate::fetch::Fetcher;
use crate::merge::Output;
use crate::merge::objects::Objects;

/// Bytes of objects that are read at the same time, where it is more than one.
const TOGETHER: u64 = 64 << 20;

/// Reads the objects at these addresses, which are of these kinds, and puts them into the rows from `row` on.
pub(super) fn read(
    addresses: &[u64],
    kinds: &[usize],
    row: u64,
    filling: &Filling,
    objects: &Objects,
    writer: &mut Output,
    fetcher: &Fetcher,
) -> Result<(), CutoutError> {
    if fetcher.is_dry() {
        return Ok(());
    }
    let reader = objects.reader()?;
    let sizes = |kind: usize| filling.schema.sizes[kind].iter().map(|size| *size as u64).sum::<u64>();
    let mut done = 0;
    while done < addresses.len() {
        fetcher.check_stopped()?;
        let mut bytes = 0;
        let more = kinds[done..].iter().take_while(|kind| {
            bytes += sizes(**kind);
            bytes <= TOGETHER
        });
        let end = done + more.count().max(1);
        let read = |address: &u64| read_object(&reader, *address, objects);
        let found: Vec<(Vec<Field>, Vec<Vec<u8>>)> =
            objects.install(|| addresses[done..end].par_iter().map(read).collect::<Result<_, _>>())?;
        let mut gathered = Gathered::new(filling, row + done as u64);
        for ((fields, elements), kind) in found.into_iter().zip(&kinds[done..end]) {
            let lengths = elements.iter().map(Vec::len);
            if !lengths.eq(filling.schema.sizes[*kind].iter().copied()) {
                return Err(changed(objects));
            }
            let placed = placed(&reader, &fields, elements, objects, writer)?;
            gathered.add(*kind, |field| placed.get(field).map(Vec::as_slice));
        }
        gathered.put()?;
        done = end;
    }
    Ok(())
}

fn changed(objects: &Objects) -> CutoutError {
    CutoutError::Refused(format!("{}: it has changed while it was cut", objects.file.file_name))
}

fn read_object(reader: &Reader, address: u64, objects: &Objects) -> Result<(Vec<Field>, Vec<Vec<u8>>), CutoutError> {
    let damaged = |source| CutoutError::Hdf5 { file: objects.file.file_name.clone(), source };
    let fields = fields(reader, address, objects.fields()).map_err(damaged)?;
    let elements = fields.iter().map(|field| field.read(reader)).collect::<Result<_, _>>().map_err(damaged)?;
    Ok((fields, elements))
}

/// The elements as they stand in the merged file, what they point to written there.
fn placed(
    reader: &Reader,
    fields: &[Field],
    elements: Vec<Vec<u8>>,
    objects: &Objects,
    writer: &mut Output,
) -> Result<Vec<Vec<u8>>, CutoutError> {
    let (mut copier, mut heap) = (Copier::new(reader), HeapBuilder::default());
    let moved = fields
        .iter()
        .zip(elements)
        .map(|(field, elements)| copier.moved(&field.datatype, elements, &mut heap, &objects.path(&field.name)));
    let moved = moved.collect::<Result<Vec<_>, _>>()?;
    let heap = heap.write(writer)?;
    Ok(moved.into_iter().map(|moved| moved.settled(heap)).collect())
}
